/** Many pieces of work at once, with a bound. */
import { raceAbort } from '@stunmesh/core/api';

/** Runs `work` for each item, at most `limit` at once. `work` must not reject. */
export async function inTurns<T>(items: readonly T[], limit: number, work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
}

/** Runs work as it comes, at most `limit` at once, in order; what is given up before its turn rejects with the signal's reason. */
export function createTurns(limit: number): <T>(signal: AbortSignal, work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting = new Set<() => void>();
  const next = (): void => {
    for (const begin of waiting) {
      if (running >= limit) return;
      waiting.delete(begin);
      begin();
    }
  };
  return async (signal, work) => {
    let turn: () => void = () => {};
    const mine = new Promise<void>((resolve) => {
      turn = () => {
        running += 1;
        resolve();
      };
    });
    waiting.add(turn);
    next();
    try {
      await raceAbort(mine, signal);
    } catch (error) {
      // Given up in the very turn that was its own: the next one begins.
      if (!waiting.delete(turn)) running -= 1;
      next();
      throw error;
    }
    try {
      return await work();
    } finally {
      running -= 1;
      next();
    }
  };
}
