/** Says once when the way to Redis is lost and once when it is back, however many connections and attempts there are. */
import type { Logger, StunmeshError } from '@stunmesh/core/api';

export interface Report {
  up(link: string): void;
  down(link: string, error: StunmeshError): void;
}

export function createReport(logger: Logger, place: string): Report {
  const down = new Set<string>();
  const told = new Set<string>();
  return {
    up(link) {
      if (!down.delete(link) || down.size > 0) return;
      told.clear();
      logger.info({ server: place }, 'the connection to Redis is back');
    },
    down(link, error) {
      down.add(link);
      // Another reason is news: what was out of reach now refuses our password.
      if (told.has(error.code)) return;
      told.add(error.code);
      logger.warn({ server: place, error }, 'no connection to Redis; trying again until there is one');
    },
  };
}
