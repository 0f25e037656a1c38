/** Leaves a back end alone that failed again and again: calls fail at once, and one at a time finds out whether it answers again. */
import { type Clock, doubling, isStunmeshError, type Logger, raceAbort, StunmeshError } from '../api/index.js';

/** Failures in a row that open the circuit. Calls that were under way together and fail together count once: they met the same
 * moment, and one key that brings the others' calls down must not close the store to all (F13). */
const OPEN_AFTER = 5;
const FIRST_PAUSE_MS = 1_000;
/** Pauses are this much shorter or longer, so that many hosts do not come back at the same moment. */
const SPREAD = 0.2;
/** No pause is longer, whatever is asked for. */
export const LONGEST_PAUSE_MS = 5 * 60_000;

/** Failures that speak of the back end as a whole, not of one key or value. */
const OUTAGES: ReadonlySet<string> = new Set([
  'ERR_STORE_UNAVAILABLE',
  'ERR_STORE_DENIED',
  'ERR_STORE_INTERNAL',
  'ERR_DEADLINE',
  'ERR_RESOLVE',
  'ERR_EXEC_SPAWN',
]);

/** A plugin of protocol 0 may report an absent record in this way: a read that fails so proves nothing. */
const UNCLEAR: ReadonlySet<string> = new Set(['ERR_EXEC_FAILED', 'ERR_EXEC_OUTPUT']);

/** Whether calls go through. */
export interface StoreHealth {
  /** down: it failed several times in a row, and is asked once in a while only. */
  readonly state: 'up' | 'down';
  /** When it is asked next, in milliseconds since 1970. */
  readonly retryAt?: number;
}

export interface Circuit {
  readonly health: StoreHealth;
  /** Why a call cannot be made now; undefined: it can, or has to wait for the one that finds out. */
  refusal(doing: string): StunmeshError | undefined;
  /** Makes a call. While another finds out whether the back end answers, it waits for that one's end.
   * Rejects with what `work` rejects with, with the refusal, or with the signal's reason. */
  run<T>(call: CircuitCall<T>): Promise<T>;
  /** The back end gave a sign of life by itself: the next call finds out more. */
  news(): void;
}

export interface CircuitCall<T> {
  /** Names it in errors: "get 0a1b…". */
  readonly doing: string;
  readonly signal: AbortSignal;
  /** Rejects with StunmeshErrors, or with anything once the signal has aborted. */
  work(): Promise<T>;
  /** What a result tells of the back end; an outage may be told key by key. Default: it answers. */
  judge?(result: T): StunmeshError | undefined;
}

export interface CircuitOptions {
  /** The instance's name in the configuration. */
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a pause may be as things stand now, in milliseconds; asked afresh each time. */
  mostPauseMs(): number;
  /** In [0, 1). */
  random(): number;
}

interface Open {
  /** Monotonic milliseconds. */
  readonly since: number;
  pausedAt: number;
  /** Failed tries to find out whether it answers again, the opening included. */
  tries: number;
  /** What the store itself asked for. */
  leastMs: number;
  scatter: number;
  cause: StunmeshError;
  /** The last try was a read that may only have missed an absent record: a write may find out more. */
  unclear: boolean;
}

export function createCircuit(options: CircuitOptions): Circuit {
  const { name, clock, logger } = options;
  let failures = 0;
  let open: Open | undefined;
  /** Settles when the call that finds out has ended. */
  let probe: Promise<void> | undefined;

  const dueAt = (state: Open): number =>
    state.pausedAt +
    Math.max(
      Math.min(doubling(state.tries, FIRST_PAUSE_MS, LONGEST_PAUSE_MS), options.mostPauseMs()) * state.scatter,
      state.leastMs,
    );

  const pause = (cause: StunmeshError) => ({
    pausedAt: clock.now(),
    leastMs: Math.min(cause.retryAfterMs ?? 0, LONGEST_PAUSE_MS),
    scatter: 1 + SPREAD * (2 * options.random() - 1),
    cause,
  });

  const answered = (): void => {
    failures = 0;
    if (!open) return;
    const downMs = Math.round(clock.now() - open.since);
    open = undefined;
    logger.info({ store: name, downMs }, 'the store answers again');
  };

  const failed = (error: StunmeshError): void => {
    failures += 1;
    if (open || failures < OPEN_AFTER) return;
    open = { since: clock.now(), tries: 1, unclear: false, ...pause(error) };
    logger.warn(
      { store: name, error, failures, retryMs: Math.round(dueAt(open) - clock.now()) },
      'the store does not answer; it is left alone but for a try once in a while',
    );
  };

  const refusal = (doing: string): StunmeshError | undefined => {
    if (!open || probe || (open.unclear && doing.startsWith('set'))) return undefined;
    const retryAfterMs = Math.ceil(dueAt(open) - clock.now());
    if (retryAfterMs <= 0) return undefined;
    // The store is named already.
    const reason = open.cause.message.replace(`store "${name}": `, '');
    const text = `store "${name}": ${doing} was not tried, as ${failures} calls in a row failed; the next try is due in ${Math.ceil(retryAfterMs / 1000)} s (the last failure: ${reason})`;
    // The code of the cause: what is wrong is the same, and has the same remedy.
    return new StunmeshError(open.cause.code, text, {
      retry: open.cause.retry,
      retryAfterMs,
      details: { ...open.cause.details, circuit: 'open' },
    });
  };

  /** Makes the call and takes note of how it ended. */
  const observe = async <T>(
    { doing, signal, work, judge }: CircuitCall<T>,
    onFailure: (error: StunmeshError) => void,
  ): Promise<T> => {
    const before = failures;
    const failure = (error: StunmeshError): void => {
      if (failures === before) onFailure(error);
    };
    try {
      const result = await work();
      const outage = judge?.(result);
      if (outage && isOutage(outage, doing)) failure(outage);
      else answered();
      return result;
    } catch (error) {
      if (!signal.aborted && isStunmeshError(error)) {
        if (isOutage(error, doing) || (open && UNCLEAR.has(error.code))) failure(error);
        else if (!UNCLEAR.has(error.code)) answered();
      }
      throw error;
    }
  };

  return {
    get health(): StoreHealth {
      if (!open) return { state: 'up' };
      return { state: 'down', retryAt: Math.ceil(clock.wallNow() + Math.max(0, dueAt(open) - clock.now())) };
    },
    refusal,
    async run(call) {
      while (probe) await raceAbort(probe, call.signal);
      const refused = refusal(call.doing);
      if (refused) throw refused;
      const state = open;
      if (!state) return await observe(call, failed);
      const attempt = observe(call, (error) => {
        failures += 1;
        Object.assign(state, pause(error), {
          tries: state.tries + 1,
          unclear: UNCLEAR.has(error.code) && !call.doing.startsWith('set'),
        });
      });
      const over = attempt.then(
        () => undefined,
        () => undefined,
      );
      probe = over;
      try {
        return await attempt;
      } finally {
        if (probe === over) probe = undefined;
      }
    },
    news() {
      if (open) open.pausedAt = Number.NEGATIVE_INFINITY;
    },
  };
}

function isOutage(error: StunmeshError, doing: string): boolean {
  return OUTAGES.has(error.code) || (UNCLEAR.has(error.code) && doing.startsWith('set'));
}

/** Whether the call was refused without being made. */
export function wasRefused(error: StunmeshError): boolean {
  return error.details['circuit'] === 'open';
}
