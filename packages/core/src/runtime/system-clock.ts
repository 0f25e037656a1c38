/** The real clock: the only file that touches timers. */
import { setTimeout as timer } from 'node:timers/promises';
import { type Clock, StunmeshError } from '../api/index.js';

/** A timer longer than this fires at once in Node (2^31 - 1 ms), so longer sleeps are taken in pieces. */
const LONGEST_MS = 2 ** 31 - 1;

export function createSystemClock(): Clock {
  return {
    wallNow: () => Date.now(),
    now: () => performance.now(),
    async sleep(ms, signal) {
      const end = performance.now() + ms;
      do {
        const left = Math.min(Math.max(end - performance.now(), 0), LONGEST_MS);
        try {
          await timer(left, undefined, signal ? { signal } : {});
        } catch (error) {
          throw signal?.aborted ? signal.reason : error;
        }
      } while (performance.now() < end - 1);
    },
    deadline(ms, parent) {
      const controller = new AbortController();
      const onParent = () => controller.abort(parent?.reason);
      const handle = setTimeout(
        () => controller.abort(new StunmeshError('ERR_DEADLINE', `no answer within ${Math.round(ms)} ms`)),
        Math.min(ms, LONGEST_MS),
      );
      if (parent?.aborted) onParent();
      else parent?.addEventListener('abort', onParent, { once: true });
      return {
        signal: controller.signal,
        [Symbol.dispose]() {
          clearTimeout(handle);
          parent?.removeEventListener('abort', onParent);
        },
      };
    },
  };
}
