/** Work on many things in slices, so that the event loop is never held up for long. */
import type { Clock } from '../api/index.js';

/** So many peers take a few milliseconds of a slow router's processor. */
export const SLICE = 250;
/** A turn of the loop ends after so long, whatever was done in it. */
const TURN_MS = 10;

/** A turn that begins now: says after each piece of work whether the rest of it has to wait for another turn. */
export function startTurn(clock: Pick<Clock, 'now'>): () => boolean {
  const beganAt = clock.now();
  let done = 0;
  return () => {
    done += 1;
    return done >= SLICE || clock.now() - beganAt >= TURN_MS;
  };
}

/** Does `work` on each item, one after the other; between two slices the event loop turns. What is done at once, and fits in one slice,
 * is done when the call returns. */
export async function inSlices<T>(
  items: Iterable<T>,
  clock: Pick<Clock, 'now' | 'sleep'>,
  work: (item: T) => unknown,
): Promise<void> {
  let isSpent = startTurn(clock);
  let spent = false;
  for (const item of items) {
    if (spent) {
      await clock.sleep(0);
      isSpent = startTurn(clock);
    }
    const result = work(item);
    if (result instanceof Promise) await result;
    spent = isSpent();
  }
}

/** Begins `work` on each item in slices, and resolves when all of it has ended. */
export async function beginInSlices<T>(
  items: Iterable<T>,
  clock: Pick<Clock, 'now' | 'sleep'>,
  work: (item: T) => Promise<unknown> | undefined,
): Promise<void> {
  const begun: (Promise<unknown> | undefined)[] = [];
  await inSlices(items, clock, (item) => {
    begun.push(work(item));
  });
  await Promise.all(begun);
}
