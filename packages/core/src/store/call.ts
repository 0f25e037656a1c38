/** One guarded call to a store: in its keys' turn, within the deadline, abortable, its failure mapped and counted. */
import { type CallOptions, type Clock, isStunmeshError, raceAbort, StunmeshError } from '../api/index.js';
import { createSharedAbort } from '../runtime/abort.js';
import { createCallQueue } from './call-queue.js';
import { type Circuit, wasRefused } from './circuit.js';
import { mapStoreError } from './error-mapping.js';

/** Calls that run at once on one store, where its traits do not say. */
const MAX_CALLS = 8;

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

export interface CallRules<T> {
  /** What a result tells of the back end (Circuit). */
  judge?(result: T): StunmeshError | undefined;
  /** Neither stopped by an open circuit nor counted for it. */
  readonly apart?: boolean;
}

/** One call that has ended, for whoever measures; calls that their caller or close() gave up are none. */
export interface EndedCall {
  /** get, set, delete, watch or describe. */
  readonly operation: string;
  /** From the call's turn to its end. */
  readonly ms: number;
  /** Of its failure. */
  readonly code?: string;
}

export interface Caller {
  readonly counters: { -readonly [K in keyof StoreCounters]: StoreCounters[K] };
  /** Runs `work` for these keys; `doing` names it in errors ("get 0a1b…"), its first word is the operation. Rejects with StunmeshErrors only. */
  call<T>(
    doing: string,
    keys: readonly string[],
    signal: AbortSignal,
    work: (options: CallOptions) => Promise<T>,
    rules?: CallRules<T>,
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
  readonly circuit: Circuit;
  /** How many calls run at once. */
  readonly maxCalls?: number | undefined;
  onEnd?(call: EndedCall): void;
}): Caller {
  const { label, timeoutMs, clock, circuit, maxCalls = MAX_CALLS } = options;
  const queue = createCallQueue(maxCalls);
  const shared = createSharedAbort();
  const underWay = new Set<AbortController>();
  const counters: Caller['counters'] = { gets: 0, sets: 0, failures: 0 };
  let closed = false;

  const failed = (error: StunmeshError): void => {
    counters.failures += 1;
    // A refusal says nothing new: what went wrong last is what the store itself said.
    if (!wasRefused(error)) counters.lastError = { code: error.code, message: error.message, atMs: clock.wallNow() };
  };

  /** The call itself, within its deadline. */
  const timed = async <T>(
    doing: string,
    signal: AbortSignal,
    work: (options: CallOptions) => Promise<T>,
  ): Promise<T> => {
    using limit = clock.deadline(timeoutMs, signal);
    const started = clock.now();
    let failure: StunmeshError | undefined;
    try {
      // A store that ignores its signal is abandoned here; its late answer goes nowhere.
      return await raceAbort(work({ signal: limit.signal }), limit.signal);
    } catch (error) {
      const late = limit.signal.aborted && !signal.aborted;
      failure = late
        ? new StunmeshError('ERR_DEADLINE', `${label}: ${doing} got no answer within ${timeoutMs} ms`)
        : mapStoreError(error, `${label}: ${doing}`);
      throw failure;
    } finally {
      const ms = clock.now() - started;
      counters.lastCallMs = ms;
      const operation = doing.split(' ', 1)[0] ?? doing;
      if (!signal.aborted) options.onEnd?.({ operation, ms, ...(failure ? { code: failure.code } : {}) });
    }
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
    async call(doing, keys, signal, work, { judge, apart = false } = {}) {
      if (closed) throw givenUp(doing);
      // Not AbortSignal.any: it leaks where one of its signals lives as long as the daemon.
      const controller = new AbortController();
      const unfollow = shared.follow(signal, controller);
      underWay.add(controller);
      try {
        // At once, so that nothing lines up for a back end that is down.
        const refused = apart || controller.signal.aborted ? undefined : circuit.refusal(doing);
        if (refused) throw refused;
        return await queue.run(keys, controller.signal, () => {
          const attempt = () => timed(doing, controller.signal, work);
          if (apart) return attempt();
          return circuit.run({ doing, signal: controller.signal, work: attempt, ...(judge ? { judge } : {}) });
        });
      } catch (error) {
        if (controller.signal.aborted) throw givenUp(doing, controller.signal.reason);
        const mapped = isStunmeshError(error) ? error : mapStoreError(error, `${label}: ${doing}`);
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
