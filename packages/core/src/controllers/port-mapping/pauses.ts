/** When a protocol that a router does not speak, or a router that grants nothing, is asked again (F57). */
import type { Clock } from '../../api/index.js';
import { doubling } from '../../runtime/backoff.js';

const FIRST_MS = 600_000;
const MOST_MS = 4 * 3_600_000;

export interface Pauses {
  /** It failed once more. */
  failed(what: string): void;
  /** Not before so long. */
  hold(what: string, ms: number): void;
  settled(what: string): void;
  /** Monotonic milliseconds. */
  until(what: string): number;
  clear(): void;
}

export function createPauses(clock: Pick<Clock, 'now'>): Pauses {
  const known = new Map<string, { readonly failures: number; readonly until: number }>();
  const failures = (what: string): number => known.get(what)?.failures ?? 0;
  return {
    failed(what) {
      const count = failures(what) + 1;
      known.set(what, { failures: count, until: clock.now() + doubling(count, FIRST_MS, MOST_MS) });
    },
    hold(what, ms) {
      known.set(what, { failures: failures(what), until: clock.now() + ms });
    },
    settled: (what) => void known.delete(what),
    until: (what) => known.get(what)?.until ?? 0,
    clear: () => known.clear(),
  };
}
