/** One guarded call to a store: in its keys' turn, within the deadline, abortable, its failure mapped and counted. */
import { type CallOptions, type Clock, isStunmeshError, StunmeshError } from '../api/index.js';
import { createCallQueue, raceAbort } from './call-queue.js';
import { mapStoreError } from './error-mapping.js';
import { createSharedAbort } from './shared-abort.js';

/** Calls that run at once on one store. */
export const MAX_CALLS = 8;

/** What happened on a store so far, for status. */
export interface StoreCounters {
  /** Keys read, answered or not. */
  readonly gets: number;
  /** Keys written, accepted or not. */
  readonly sets: number;
  /** Keys whose call failed. */
  readonly failures: number;
  readonly lastError?: { readonly code: string; readonly message: string; readonly atMs: number };
  /** How long the latest call took, in milliseconds. */
  readonly lastCallMs?: number;
}

export interface Caller {
  readonly counters: { -readonly [K in keyof StoreCounters]: StoreCounters[K] };
  /** Runs `work` for these keys; `doing` names it in errors ("get 0a1b…"). Rejects with StunmeshErrors only. */
  call<T>(
    doing: string,
    keys: readonly string[],
    signal: AbortSignal,
    work: (options: CallOptions) => Promise<T>,
  ): Promise<T>;
  /** Counts a failure of one key. */
  failed(error: StunmeshError): void;
  /** Refuses calls from now on and aborts what is under way. */
  close(): void;
}

export function createCaller(options: {
  /** Names the store in errors: 'store "files"'. */
  readonly label: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
}): Caller {
  const { label, timeoutMs, clock } = options;
  const queue = createCallQueue(MAX_CALLS);
  const shared = createSharedAbort();
  const underWay = new Set<AbortController>();
  const counters: Caller['counters'] = { gets: 0, sets: 0, failures: 0 };
  let closed = false;

  const failed = (error: StunmeshError): void => {
    counters.failures += 1;
    counters.lastError = { code: error.code, message: error.message, atMs: clock.wallNow() };
  };

  /** The error of a call that its caller, or close(), ended. */
  const givenUp = (doing: string, reason?: unknown): StunmeshError => {
    if (closed) return new StunmeshError('ERR_CLOSED', `${label}: ${doing} was not done, the store is closed`);
    if (isStunmeshError(reason)) return mapStoreError(reason, `${label}: ${doing}`);
    return new StunmeshError('ERR_CLOSED', `${label}: ${doing} was given up by its caller`, { retry: 'later' });
  };

  return {
    counters,
    failed,
    async call(doing, keys, signal, work) {
      if (closed) throw givenUp(doing);
      // Not AbortSignal.any: it leaks where one of its signals lives as long as the daemon.
      const controller = new AbortController();
      const unfollow = shared.follow(signal, controller);
      underWay.add(controller);
      let timeUp = false;
      try {
        return await queue.run(keys, controller.signal, async () => {
          using limit = clock.deadline(timeoutMs, controller.signal);
          const started = clock.now();
          try {
            // A store that ignores its signal is abandoned here; its late answer goes nowhere.
            return await raceAbort(work({ signal: limit.signal }), limit.signal);
          } catch (error) {
            timeUp = limit.signal.aborted && !controller.signal.aborted;
            throw error;
          } finally {
            counters.lastCallMs = clock.now() - started;
          }
        });
      } catch (error) {
        if (controller.signal.aborted) throw givenUp(doing, controller.signal.reason);
        const mapped = timeUp
          ? new StunmeshError('ERR_DEADLINE', `${label}: ${doing} got no answer within ${timeoutMs} ms`)
          : mapStoreError(error, `${label}: ${doing}`);
        for (const _ of keys.length > 0 ? keys : ['']) failed(mapped);
        throw mapped;
      } finally {
        underWay.delete(controller);
        unfollow();
      }
    },
    close() {
      closed = true;
      for (const controller of underWay) controller.abort();
    },
  };
}
