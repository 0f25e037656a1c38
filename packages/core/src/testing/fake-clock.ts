/** A clock that moves only when a test says so. */
import { type Clock, StunmeshError } from '../api/index.js';

interface Waiter {
  readonly at: number;
  readonly order: number;
  fire(): void;
}

/** A Clock under the test's control: `advance` fires what falls due, in order, letting promises settle in between. */
export interface FakeClock extends Clock {
  /** Moves time on by `ms`; everything due in between fires at its own moment. */
  advance(ms: number): Promise<void>;
  /** Moves the wall clock alone (suspend, NTP step). */
  jumpWall(ms: number): void;
  /** How many sleeps and deadlines are pending. */
  readonly pending: number;
}

/** Lets every promise that can settle do so; a macrotask turn empties the microtask queue. */
export async function settle(turns = 5): Promise<void> {
  for (let i = 0; i < turns; i += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

export function createFakeClock(wallStart = Date.UTC(2026, 0, 1)): FakeClock {
  let mono = 0;
  let wallOffset = wallStart;
  let order = 0;
  const waiters = new Set<Waiter>();

  const add = (ms: number, fire: () => void): Waiter => {
    order += 1;
    const waiter: Waiter = { at: mono + Math.max(ms, 0), order, fire };
    waiters.add(waiter);
    return waiter;
  };

  return {
    get pending() {
      return waiters.size;
    },
    wallNow: () => wallOffset + mono,
    now: () => mono,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) {
          reject(signal.reason);
          return;
        }
        const onAbort = () => {
          waiters.delete(waiter);
          reject(signal?.reason);
        };
        const waiter = add(ms, () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        });
        signal?.addEventListener('abort', onAbort, { once: true });
      }),
    deadline(ms, parent) {
      const controller = new AbortController();
      const onParent = () => controller.abort(parent?.reason);
      const waiter = add(ms, () =>
        controller.abort(new StunmeshError('ERR_DEADLINE', `no answer within ${Math.round(ms)} ms`)),
      );
      if (parent?.aborted) onParent();
      else parent?.addEventListener('abort', onParent, { once: true });
      return {
        signal: controller.signal,
        [Symbol.dispose]() {
          waiters.delete(waiter);
          parent?.removeEventListener('abort', onParent);
        },
      };
    },
    async advance(ms) {
      const end = mono + ms;
      await settle();
      for (;;) {
        const due = [...waiters].filter((w) => w.at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0];
        if (!due) break;
        mono = Math.max(mono, due.at);
        waiters.delete(due);
        due.fire();
        await settle();
      }
      mono = end;
      await settle();
    },
    jumpWall(ms) {
      wallOffset += ms;
    },
  };
}
