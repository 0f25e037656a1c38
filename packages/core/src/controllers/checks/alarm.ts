/** One timer for all that is due at some time. */
import type { Clock } from '../../api/index.js';

/** What falls due within so many milliseconds is done together. */
const TOGETHER_MS = 5;

export interface Alarm {
  /** At this moment at the latest; monotonic milliseconds. */
  at(when: number): void;
  stop(): void;
}

export function createAlarm(clock: Clock, signal: AbortSignal, ring: () => void): Alarm {
  let setFor = Number.POSITIVE_INFINITY;
  let timer: (Disposable & { readonly signal: AbortSignal }) | undefined;
  const stop = (): void => {
    timer?.[Symbol.dispose]();
    timer = undefined;
    setFor = Number.POSITIVE_INFINITY;
  };
  return {
    stop,
    at(when) {
      if (when === Number.POSITIVE_INFINITY || signal.aborted) return;
      const next = Math.max(when, clock.now() + TOGETHER_MS);
      if (next >= setFor) return;
      stop();
      setFor = next;
      timer = clock.deadline(next - clock.now(), signal);
      timer.signal.addEventListener(
        'abort',
        () => {
          stop();
          if (!signal.aborted) ring();
        },
        { once: true },
      );
    },
  };
}
