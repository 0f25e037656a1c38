/** Talking with an exec plugin as the cases do: requests written as they are, answers read strictly, mistakes told in words. */
import assert from 'node:assert/strict';
import { hasCode } from '../api/index.js';
import { createSystemClock } from '../runtime/system-clock.js';

/** How a process ended: one of the two. */
export interface ExecExit {
  readonly exitCode?: number;
  readonly endedBy?: string;
}

export interface ExecRun extends ExecExit {
  readonly stdout: string;
  readonly stderr: string;
}

/** A process whose stdin stays open. Disposing it ends its whole group. */
export interface ExecSession extends AsyncDisposable {
  write(text: string): void;
  /** The next line of stdout; undefined: there will be none. Rejects with the signal's reason. */
  line(signal: AbortSignal): Promise<string | undefined>;
  /** Ends its stdin. */
  end(): void;
  kill(): void;
  readonly exited: Promise<ExecExit>;
}

/** The program behind a plugin, without a store around it; the exec module's probe() makes one. */
export interface ExecProbe {
  /** One process with this on its stdin, run to its end. */
  run(input: string, signal: AbortSignal): Promise<ExecRun>;
  session(): Promise<ExecSession>;
}

export type ExecMessage = Readonly<Record<string, unknown>>;

export const clock = createSystemClock();

const CODES = ['later', 'rejected', 'too_large', 'internal'];

/** Rejects with a sentence when `work` takes longer than `ms`. */
export async function inTime<T>(what: string, ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  using limit = clock.deadline(ms);
  try {
    return await work(limit.signal);
  } catch (error) {
    if (limit.signal.aborted && hasCode(error, 'ERR_DEADLINE')) assert.fail(`${what}: not within ${ms} ms`);
    throw error;
  }
}

/** A JSON object, or a sentence that does not quote what was there instead. */
export function readObject(text: string, what: string): ExecMessage {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    assert.fail(`${what} must be a JSON object and nothing else; it is ${text.trim() === '' ? 'empty' : 'no JSON'}`);
  }
  assert.ok(
    typeof found === 'object' && found !== null && !Array.isArray(found),
    `${what} must be a JSON object; it is ${Array.isArray(found) ? 'a list' : JSON.stringify(typeof found)}`,
  );
  return found as ExecMessage;
}

/** How a process ended, in words; undefined: with status 0. */
export function badEnd({ exitCode, endedBy }: ExecExit): string | undefined {
  if (endedBy !== undefined) return `it was ended by ${endedBy}`;
  return exitCode === 0 ? undefined : `it exited with status ${exitCode}`;
}

/** Fails unless the answer is a success, as protocol 1 has it. */
export function expectSuccess(answer: ExecMessage, what: string): ExecMessage {
  const { success, code, error } = answer;
  assert.ok(typeof success === 'boolean', `${what}: "success" must be true or false`);
  assert.ok(
    success,
    `${what}: it reports a failure (${String(code ?? 'no code')}): ${String(error ?? 'without a word')}`,
  );
  return answer;
}

/** Fails unless the answer is a failure, as protocol 1 has it. */
export function expectFailure(answer: ExecMessage, what: string): void {
  assert.equal(answer['success'], false, `${what}: "success" must be false`);
  const { code, error, retry_after_ms: pause } = answer;
  assert.ok(typeof code === 'string' && CODES.includes(code), `${what}: "code" must be one of ${CODES.join(', ')}`);
  assert.ok(error === undefined || error === null || typeof error === 'string', `${what}: "error" must be text`);
  assert.ok(
    pause === undefined || pause === null || typeof pause === 'number',
    `${what}: "retry_after_ms" must be a number`,
  );
}

/** Fails unless the answer to a get holds this value; undefined: none. */
export function expectValueOf(answer: ExecMessage, value: string | undefined, what: string): void {
  const found = expectSuccess(answer, what)['value'] ?? undefined;
  if (value === undefined) {
    assert.ok(
      found === undefined || found === '',
      `${what}: there is no such record, so "value" must be absent or null`,
    );
  } else {
    assert.ok(found !== undefined, `${what}: "value" is absent, though the record was set`);
    assert.ok(found === value, `${what}: "value" is not what was set`);
  }
}

/** A conversation in a session. Every line must be an event, or the one answer to a request. */
export interface Talk {
  /** Writes the request; returns its id. */
  send(request: ExecMessage): number;
  /** Writes text as it is. */
  raw(text: string): void;
  /** A request with this id was written as it is. */
  expect(id: number): void;
  /** The answer to a request; those to others are kept for them. */
  answer(id: number): Promise<ExecMessage>;
  ask(request: ExecMessage): Promise<ExecMessage>;
  /** The next event of this kind. */
  event(kind: string): Promise<ExecMessage>;
  /** Reads for `ms` more, and fails on whatever is neither an event nor an awaited answer; returns the events. */
  listen(ms: number): Promise<readonly ExecMessage[]>;
  /** Ends its input, and reads to the end of its output. */
  finish(): Promise<ExecExit>;
  kill(): Promise<void>;
}

export async function withTalk<T>(probe: ExecProbe, ms: number, run: (talk: Talk) => Promise<T>): Promise<T> {
  await using session = await probe.session();
  const awaited = new Map<number, string>();
  const answered = new Set<number>();
  const answers = new Map<number, ExecMessage>();
  const events: ExecMessage[] = [];
  let lastId = 0;

  /** Takes one line in; false at the end. */
  const read = async (signal: AbortSignal): Promise<boolean> => {
    const line = await session.line(signal);
    if (line === undefined) return false;
    const message = readObject(line, 'a line on stdout');
    const { id, event } = message;
    if (typeof event === 'string') {
      events.push(message);
      return true;
    }
    assert.ok(typeof id === 'number', 'an answer must have the "id" of its request, a number as it was sent');
    assert.ok(!answered.has(id), `request ${id} (${awaited.get(id)}) was answered twice`);
    assert.ok(awaited.has(id), `there was no request ${id}, yet it was answered`);
    answered.add(id);
    answers.set(id, message);
    return true;
  };

  const until = async <V>(what: string, look: () => V | undefined): Promise<V> =>
    inTime(what, ms, async (signal) => {
      for (;;) {
        const found = look();
        if (found !== undefined) return found;
        if (!(await read(signal))) {
          const end = badEnd(await session.exited) ?? 'it exited with status 0';
          assert.fail(`${what}: ${end} before`);
        }
      }
    });

  const talk: Talk = {
    send(request) {
      lastId += 1;
      awaited.set(lastId, String(request['action']));
      session.write(`${JSON.stringify({ protocol: 1, id: lastId, ...request })}\n`);
      return lastId;
    },
    raw: (text) => session.write(text),
    expect(id) {
      lastId = Math.max(lastId, id);
      awaited.set(id, 'a request in pieces');
    },
    answer: (id) =>
      until(`the answer to ${awaited.get(id)}`, () => {
        const found = answers.get(id);
        answers.delete(id);
        return found;
      }),
    ask: (request) => talk.answer(talk.send(request)),
    event: (kind) =>
      until(`the event ${JSON.stringify(kind)}`, () => {
        const at = events.findIndex(({ event }) => event === kind);
        return at < 0 ? undefined : events.splice(at, 1)[0];
      }),
    async listen(forMs) {
      using limit = clock.deadline(forMs);
      try {
        while (await read(limit.signal));
      } catch (error) {
        if (!limit.signal.aborted || !hasCode(error, 'ERR_DEADLINE')) throw error;
      }
      return events.splice(0);
    },
    async finish() {
      session.end();
      return inTime('its end after the end of its input', ms, async (signal) => {
        while (await read(signal));
        return session.exited;
      });
    },
    async kill() {
      session.kill();
      await session.exited;
    },
  };
  // Awaited here, or the session would be disposed at once.
  return await run(talk);
}
