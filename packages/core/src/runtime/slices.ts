/** Work on many things in slices, so that the event loop is never held up for long. */
import type { Clock } from '../api/index.js';

/** So many peers take a few milliseconds of a slow router's processor. */
export const SLICE = 250;

/** Does `work` on each item, one after the other; between two slices the event loop turns. */
export async function inSlices<T>(
  items: Iterable<T>,
  clock: Pick<Clock, 'sleep'>,
  work: (item: T) => unknown,
): Promise<void> {
  let done = 0;
  for (const item of items) {
    if (done === SLICE) {
      await clock.sleep(0);
      done = 0;
    }
    await work(item);
    done += 1;
  }
}
