/** Says once when the way to Redis is lost and once when it is back, however many connections and attempts there are. */
import type { Clock, Logger, StunmeshError } from '@stunmesh/core/api';

export interface Report {
  up(link: string): void;
  down(link: string, error: StunmeshError): void;
}

/** A way that comes and goes for the same reason is told so many times in a span of so many milliseconds; the rest is for debugging. */
const MOST_TOLD = 3;
const SPAN_MS = 10 * 60_000;

export function createReport(logger: Logger, place: string, clock: Clock): Report {
  const down = new Set<string>();
  /** When each reason was told, by its code. */
  const told = new Map<string, readonly number[]>();
  /** The reasons since it was lost. */
  const reasons = new Set<string>();
  let news = false;
  return {
    up(link) {
      if (!down.delete(link) || down.size > 0) return;
      logger[news ? 'info' : 'debug']({ server: place }, 'the connection to Redis is back');
      reasons.clear();
      news = false;
    },
    down(link, error) {
      down.add(link);
      // Another reason is news: what was out of reach now refuses our password.
      if (reasons.has(error.code)) return;
      reasons.add(error.code);
      const times = (told.get(error.code) ?? []).filter((at) => clock.now() - at < SPAN_MS);
      const quiet = times.length >= MOST_TOLD;
      if (!quiet) {
        told.set(error.code, [...times, clock.now()]);
        news = true;
      }
      const what = 'no connection to Redis; trying again until there is one';
      logger[quiet ? 'debug' : 'warn']({ server: place, error }, what);
    },
  };
}
