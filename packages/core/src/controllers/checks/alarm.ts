/** One timer for all that is due at some time. */
import type { Clock } from '../../api/index.js';

/** What falls due within so many milliseconds is done together: of few peers at once, of a crowd in fewer, larger steps. */
const TOGETHER_MS = 5;
const MOST_TOGETHER_MS = 50;
const TOGETHER_MS_A_PEER = 0.05;

/** `unsettled`: how many peers are without a tunnel. */
export function togetherMs(unsettled: number): number {
  return Math.min(Math.max(TOGETHER_MS, unsettled * TOGETHER_MS_A_PEER), MOST_TOGETHER_MS);
}

export interface Alarm {
  /** At this moment at the latest; monotonic milliseconds. */
  at(when: number): void;
  /** How long rings are apart from now on, as togetherMs() says; 5 ms at first. */
  gather(ms: number): void;
  stop(): void;
}

export function createAlarm(clock: Clock, signal: AbortSignal, ring: () => void): Alarm {
  let gatherMs = TOGETHER_MS;
  let setFor = Number.POSITIVE_INFINITY;
  let timer: (Disposable & { readonly signal: AbortSignal }) | undefined;
  const stop = (): void => {
    timer?.[Symbol.dispose]();
    timer = undefined;
    setFor = Number.POSITIVE_INFINITY;
  };
  return {
    stop,
    gather(ms) {
      gatherMs = ms;
    },
    at(when) {
      if (when === Number.POSITIVE_INFINITY || signal.aborted) return;
      const next = Math.max(when, clock.now() + gatherMs);
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
