/** The searches of a host without files: nothing is locked, and the ledger lies in memory. */
import type { Clock, Logger } from '#src/api/index.js';
import { createSearchHost, type SearchHost } from '#src/controllers/search/search-host.js';
import { createRandom } from '../../paths/random.js';

export function createMemorySearch(parts: {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}): SearchHost {
  let ledger: unknown;
  return createSearchHost({
    ...parts,
    random: createRandom(11),
    isFree: () => true,
    lock: async () => ({ async [Symbol.asyncDispose]() {} }),
    readLedger: async () => ledger,
    async writeLedger(state) {
      ledger = state;
    },
  });
}
