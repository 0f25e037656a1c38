/** Order and bound of calls to a store: calls on one key never overtake each other, a fixed number runs at once, none is dropped (F14). */
import { raceAbort } from '../api/index.js';

export interface CallQueue {
  /** Runs `work` when every earlier call on these keys is over and a slot is free. A signal that aborts while it
   * still waits rejects it with the signal's reason; once begun, settling is up to `work`. */
  run<T>(keys: readonly string[], signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  /** Calls begun and not over. */
  readonly running: number;
}

export function createCallQueue(limit: number): CallQueue {
  /** Per key: settles when the last call that asked for it is over. */
  const tails = new Map<string, Promise<unknown>>();
  const waiting = new Set<() => void>();
  let running = 0;

  const release = () => {
    running -= 1;
    const next = waiting.values().next().value;
    if (next) {
      waiting.delete(next);
      next();
    }
  };

  const slot = async (signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    if (running < limit) {
      running += 1;
      return;
    }
    let grant: () => void = () => {};
    const granted = new Promise<void>((resolve) => {
      grant = () => {
        running += 1;
        resolve();
      };
      waiting.add(grant);
    });
    try {
      await raceAbort(granted, signal);
    } catch (error) {
      // Granted and aborted in the same turn: the slot goes on to the next.
      if (!waiting.delete(grant)) release();
      throw error;
    }
  };

  return {
    get running() {
      return running;
    },
    async run(keys, signal, work) {
      const before = Promise.all(keys.map((key) => tails.get(key)));
      let finish: () => void = () => {};
      const over = new Promise<void>((resolve) => {
        finish = resolve;
      });
      // Whoever comes later also waits for what was there before us, even if we give up waiting.
      const tail = Promise.all([before, over]).then(() => {
        for (const key of keys) if (tails.get(key) === tail) tails.delete(key);
      });
      for (const key of keys) tails.set(key, tail);
      try {
        await raceAbort(before, signal);
        await slot(signal);
        try {
          return await work();
        } finally {
          release();
        }
      } finally {
        finish();
      }
    },
  };
}
