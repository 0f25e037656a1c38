/** Questions on a terminal: an answer, a default on Enter, again where it will not do, unseen where it is a secret. */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { StunmeshError } from '../api/index.js';

export interface Question {
  /** Stands before the colon; short, so that the answer has room in the line. */
  readonly question: string;
  /** Lines above it. */
  readonly note?: string;
  /** On Enter alone; without it an answer is needed. */
  readonly fallback?: string;
  /** What is typed does not show. */
  readonly hidden?: true;
  /** Why the answer will not do; undefined: it will. */
  check?(answer: string): string | undefined;
}

export interface Asker extends Disposable {
  /** Errors: ERR_USAGE when the terminal is closed (Ctrl-C, Ctrl-D). */
  ask(question: Question): Promise<string>;
  /** Shows a line that asks for nothing. */
  tell(text: string): void;
}

/** The same, with what was answered before in place of the default: for asking again after something did not fit. */
export function rememberAnswers(asker: Asker): Asker {
  const answers = new Map<string, string>();
  return {
    async ask(question) {
      const before = question.hidden ? undefined : answers.get(question.question);
      const answer = await asker.ask(before === undefined ? question : { ...question, fallback: before });
      answers.set(question.question, answer);
      return answer;
    },
    tell: (text) => asker.tell(text),
    [Symbol.dispose]: () => asker[Symbol.dispose](),
  };
}

export function openAsker(input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Asker {
  let muted = false;
  const echo = new Writable({
    write(chunk, _encoding, done) {
      if (!muted) output.write(chunk as Buffer);
      done();
    },
  });
  const terminal = createInterface({
    input,
    output: echo,
    // A hidden answer must not come back by the arrow keys.
    historySize: 0,
    terminal: (input as { isTTY?: boolean }).isTTY === true,
  });
  const closed = new AbortController();
  terminal.on('close', () => closed.abort());
  terminal.on('SIGINT', () => terminal.close());

  const once = async ({ question, fallback, hidden }: Question): Promise<string> => {
    const shown = fallback === undefined || fallback === '' ? '' : ` [${fallback}]`;
    try {
      const typed = terminal.question(`${question}${shown}: `, { signal: closed.signal });
      // The question itself is out by now.
      muted = hidden === true;
      const answer = (await typed).trim();
      return answer === '' ? (fallback ?? '') : answer;
    } catch {
      throw new StunmeshError('ERR_USAGE', 'given up, nothing was written');
    } finally {
      if (muted) output.write('\n');
      muted = false;
    }
  };

  return {
    async ask(question) {
      if (question.note !== undefined) output.write(`${question.note}\n`);
      for (;;) {
        const answer = await once(question);
        const wrong =
          answer === '' && question.fallback === undefined ? 'an answer is needed' : question.check?.(answer);
        if (wrong === undefined) return answer;
        output.write(`  ${wrong}\n`);
      }
    },
    tell: (text) => void output.write(`${text}\n`),
    [Symbol.dispose]: () => terminal.close(),
  };
}
