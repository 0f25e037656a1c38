/** Makes one call out of many small ones that come within a moment; while it runs, the next is gathered. */
import { type Clock, isStunmeshError, StunmeshError } from '@stunmesh/core/api';

export interface Gather<Value, Result> extends Disposable {
  /** What became of these keys; a key that failed has its error. Rejects when the whole call failed, with the signal's
   * reason, or with ERR_CLOSED. Of two values for one key the later one counts. */
  call(entries: ReadonlyMap<string, Value>, signal: AbortSignal): Promise<ReadonlyMap<string, Result | StunmeshError>>;
}

export interface GatherOptions<Value, Result> {
  readonly clock: Clock;
  /** How long is waited for more, in milliseconds. */
  readonly windowMs: number;
  /** Serves a batch. The signal aborts when nobody waits any longer. */
  run(entries: ReadonlyMap<string, Value>, signal: AbortSignal): Promise<ReadonlyMap<string, Result | StunmeshError>>;
}

interface Waiter<Value, Result> {
  readonly entries: ReadonlyMap<string, Value>;
  settle(outcome: { results: ReadonlyMap<string, Result | StunmeshError> } | { error: unknown }): void;
}

export function createGather<Value, Result>(options: GatherOptions<Value, Result>): Gather<Value, Result> {
  const { clock, windowMs, run } = options;
  const stop = new AbortController();
  let pending = new Set<Waiter<Value, Result>>();
  let draining = false;
  /** The batch under way, and what aborts it. */
  let running: { readonly waiters: Set<Waiter<Value, Result>>; readonly abort: AbortController } | undefined;

  const closed = () => new StunmeshError('ERR_CLOSED', 'the store is closed');

  async function drain(): Promise<void> {
    while (pending.size > 0) {
      await clock.sleep(windowMs, stop.signal).catch(() => undefined);
      const waiters = pending;
      pending = new Set();
      if (waiters.size === 0) continue;
      const abort = new AbortController();
      running = { waiters, abort };
      if (stop.signal.aborted) abort.abort(closed());
      const entries = new Map([...waiters].flatMap((waiter) => [...waiter.entries]));
      try {
        abort.signal.throwIfAborted();
        const results = await run(entries, abort.signal);
        for (const waiter of [...waiters]) waiter.settle({ results });
      } catch (error) {
        for (const waiter of [...waiters]) waiter.settle({ error });
      }
      running = undefined;
    }
  }

  return {
    call(entries, signal) {
      return new Promise((resolve, reject) => {
        if (stop.signal.aborted) throw closed();
        signal.throwIfAborted();
        const leave = () => {
          pending.delete(waiter);
          if (running?.waiters.delete(waiter) && running.waiters.size === 0) running.abort.abort(signal.reason);
          reject(signal.reason);
        };
        const waiter: Waiter<Value, Result> = {
          entries,
          settle(outcome) {
            signal.removeEventListener('abort', leave);
            if ('error' in outcome) reject(outcome.error);
            else resolve(outcome.results);
          },
        };
        signal.addEventListener('abort', leave, { once: true });
        pending.add(waiter);
        if (draining) return;
        draining = true;
        void drain().finally(() => {
          draining = false;
        });
      });
    },
    [Symbol.dispose]() {
      stop.abort();
      running?.abort.abort(closed());
    },
  };
}

/** The value among results, undefined where there is none. Throws what the key's call failed with. */
export function resultOf<Result>(
  results: ReadonlyMap<string, Result | StunmeshError>,
  key: string,
): Result | undefined {
  const result = results.get(key);
  if (isStunmeshError(result)) throw result;
  return result;
}
