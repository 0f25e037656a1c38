/** One life of a session plugin: a process that answers many requests, matched by id, until it ends. */
import { type Clock, hasCode, type Logger, StunmeshError } from '@stunmesh/core/api';
import { howItEnded } from './failure.js';
import { createFlowBudget } from './flow-budget.js';
import { type LaunchOptions, launch } from './launch.js';
import { NEWLINE, readLines } from './lines.js';
import {
  type Description,
  formatRequest,
  type Message,
  type PluginRequest,
  parseMessage,
  readDescription,
} from './messages.js';
import { createRedactor, oneLine } from './one-line.js';
import { MAX_OUTPUT } from './output.js';
import { endGroup, ownGroup } from './process-group.js';
import { createSendQueue } from './send-queue.js';

/** What a line may have more for each key of a getMany or setMany, in bytes. */
export const MANY_KEY_BYTES = 1024;
/** Most requests that are sent and not answered. */
export const MOST_IN_FLIGHT = 64;
/** How long output may still come once the process itself has ended, in milliseconds. */
const DRAIN_MS = 250;
/** From the end of its input to SIGTERM, in milliseconds. */
const GRACE_MS = 500;
/** A line of stderr is cut after so many bytes. */
const STDERR_LINE = 16_384;

export interface SessionOptions extends Omit<LaunchOptions, 'input'> {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Its events: what has a member "event". */
  onEvent(event: Message): void;
  /** Most requests that are sent and not answered; default MOST_IN_FLIGHT. */
  readonly mostInFlight?: number | undefined;
  /** How many keys it watches for us now. */
  watched(): number;
}

export interface Session {
  readonly description: Description;
  /** The answer to this request, whatever it says. Errors: the signal's reason, and those of `over`. */
  ask(request: PluginRequest, signal: AbortSignal): Promise<Message>;
  /** Resolves when the process and its group are gone, with the reason. */
  readonly over: Promise<StunmeshError>;
  /** Ends its input and, half a second later, the process. Never rejects. */
  close(): Promise<void>;
}

interface Pending {
  /** How many keys it has, for the size of its answer. */
  readonly keys: number;
  settle(answer: Message | StunmeshError): void;
}

/** Starts the program and asks it to describe itself.
 * Errors: ERR_EXEC_SPAWN, ERR_PLUGIN_INVALID, the signal's reason, and whatever ended it. */
export async function openSession(options: SessionOptions, signal: AbortSignal): Promise<Session> {
  const running = await startProcess(options);
  try {
    const description = readDescription(await running.ask({ action: 'describe' }, signal));
    if (!description.session) throw new StunmeshError('ERR_PLUGIN_INVALID', 'took back that it serves sessions');
    return { ...running, description };
  } catch (error) {
    await running.end(new StunmeshError('ERR_CLOSED', 'it did not begin its session'));
    throw error;
  }
}

type Running = Omit<Session, 'description'> & { end(why: StunmeshError): Promise<void> };

async function startProcess(options: SessionOptions): Promise<Running> {
  const { clock, logger } = options;
  const child = await launch(options);
  const disown = ownGroup(child.pid);
  const { stdin } = child;
  if (!stdin) throw new StunmeshError('ERR_EXEC_SPAWN', 'got no pipe for its input', { retry: 'later' });
  const sendQueue = createSendQueue(stdin, options.mostInFlight ?? MOST_IN_FLIGHT);
  const pending = new Map<number, Pending>();
  const gone = new AbortController();
  let lastId = 0;
  let heard = 0;
  let lastWords = '';
  let ended: StunmeshError | undefined;
  let ending: Promise<void> | undefined;

  /** The first reason counts. Nothing is answered any more from here on. */
  const end = (why: StunmeshError): Promise<void> => {
    ended ??= why;
    sendQueue.stop();
    for (const { settle } of [...pending.values()]) settle(ended);
    ending ??= endGroup(child.pid, clock);
    return ending;
  };

  const budget = createFlowBudget(clock, options.watched);
  const redact = createRedactor(options.env);
  const onLine = (text: string, length: number): void => {
    if (ended) return;
    try {
      if (text.trim() === '') {
        budget.unasked(length);
        return;
      }
      heard += 1;
      const message = parseMessage(text);
      if (typeof message['event'] === 'string') {
        budget.unasked(length);
        options.onEvent(message);
        return;
      }
      const { id } = message;
      if (typeof id !== 'number' || !Number.isInteger(id) || id < 1 || id > lastId)
        throw new StunmeshError('ERR_EXEC_OUTPUT', 'answered without the "id" of a request, which is a number');
      const request = pending.get(id);
      // An answer to what was given up meanwhile goes nowhere.
      if (request) request.settle(message);
      else budget.unasked(length);
    } catch (error) {
      cutOff(error as StunmeshError);
    }
  };

  /** It is not read any more either: until it is gone it may print as much as it can. */
  const cutOff = (why: StunmeshError): void => {
    void end(why);
    stdout.stop();
    stderr.stop();
  };

  const most = (): number => {
    let keys = 0;
    for (const each of pending.values()) keys = Math.max(keys, each.keys);
    return MAX_OUTPUT + keys * MANY_KEY_BYTES;
  };
  const stdout = readLines(child.stdout, {
    most,
    line: onLine,
    tooLong: () => cutOff(new StunmeshError('ERR_EXEC_OUTPUT', `printed a line of more than ${most()} bytes`)),
  });
  const stderr = readLines(child.stderr, {
    most: () => STDERR_LINE,
    read(chunk) {
      if (ended) return;
      try {
        budget.stderr(chunk.length, countLines(chunk));
      } catch (error) {
        cutOff(error as StunmeshError);
      }
    },
    line(text) {
      const line = oneLine(redact(text));
      if (line === '') return;
      lastWords = line;
      logger.debug({ stderr: line }, 'a plugin wrote to stderr');
    },
  });
  void stdout.over.then(() => {
    // Also when it lives on: what cannot answer is of no use. The process may be just about to be gone, and says more.
    void clock.sleep(DRAIN_MS, gone.signal).then(
      () => end(new StunmeshError('ERR_EXEC_FAILED', 'closed its stdout')),
      () => {},
    );
  });

  const over = (async () => {
    const exit = await child.exited;
    gone.abort();
    const enough = new AbortController();
    const drain = clock.sleep(DRAIN_MS, enough.signal).catch(() => {});
    // What it answered before it ended counts.
    await Promise.race([Promise.all([stdout.over, stderr.over]), drain]);
    enough.abort();
    await end(new StunmeshError('ERR_EXEC_FAILED', `${howItEnded(exit)}: ${lastWords || 'without a word on stderr'}`));
    child.release(stdout.ended, stderr.ended);
    disown();
    return ended as StunmeshError;
  })();

  return {
    over,
    end: async (why) => {
      await end(why);
      await over;
    },
    ask(request, signal) {
      if (signal.aborted) return Promise.reject(signal.reason);
      if (ended) return Promise.reject(ended);
      lastId += 1;
      const id = lastId;
      const heardBefore = heard;
      return new Promise((resolve, reject) => {
        const settle = (): void => {
          pending.delete(id);
          sendQueue.over(id);
          signal.removeEventListener('abort', onAbort);
        };
        const onAbort = (): void => {
          settle();
          reject(signal.reason);
          // Not a word to anything for a whole time limit: it hangs, and would for ever.
          if (hasCode(signal.reason, 'ERR_DEADLINE') && heard === heardBefore)
            void end(new StunmeshError('ERR_EXEC_FAILED', 'answered nothing within the time limit and was ended'));
        };
        signal.addEventListener('abort', onAbort, { once: true });
        pending.set(id, {
          keys: keysOf(request),
          settle(answer) {
            settle();
            if (answer instanceof Error) reject(answer);
            else resolve(answer);
          },
        });
        sendQueue.add(id, formatRequest(request, id));
      });
    },
    async close() {
      ended ??= new StunmeshError('ERR_CLOSED', 'the store is closed');
      sendQueue.stop();
      for (const { settle } of [...pending.values()]) settle(ended);
      stdin.end();
      const waited = clock.sleep(GRACE_MS, gone.signal).catch(() => {});
      await Promise.race([over, waited]);
      await end(ended);
      await over;
    },
  };
}

function countLines(chunk: Buffer): number {
  let count = 0;
  for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}

function keysOf(request: PluginRequest): number {
  if (request.action === 'getMany') return request.keys.length;
  return request.action === 'setMany' ? Object.keys(request.values).length : 0;
}
