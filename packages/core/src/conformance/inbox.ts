/** A list that cases wait on, for things that must come in time. */
import assert from 'node:assert/strict';
import { createSystemClock } from '../runtime/system-clock.js';

const clock = createSystemClock();

export interface Inbox<T> {
  readonly items: readonly T[];
  push(item: T): void;
  /** The item at this place, once it is there. Errors: AssertionError after the patience that it was made with. */
  at(index: number, what: string): Promise<T>;
}

export function createInbox<T>(patienceMs: number): Inbox<T> {
  const items: T[] = [];
  let wake: (() => void) | undefined;
  return {
    items,
    push(item) {
      items.push(item);
      wake?.();
    },
    async at(index, what) {
      using limit = clock.deadline(patienceMs);
      for (;;) {
        const item = items[index];
        if (item !== undefined) return item;
        if (limit.signal.aborted) throw new assert.AssertionError({ message: `${what}: not within ${patienceMs} ms` });
        await new Promise<void>((resolve) => {
          wake = resolve;
          limit.signal.addEventListener('abort', () => resolve(), { once: true });
        });
      }
    },
  };
}
