/** The search for hard NATs as one daemon keeps it: its ledger in state_dir, and the lock of the host in run_dir (F60). */
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import type { Clock, Logger } from '../api/index.js';
import { createSearchHost, type SearchHost } from '../controllers/search/search-host.js';
import { takeLock } from '../runtime/lock.js';
import { readStateFile, writeStateFile } from '../runtime/state-file.js';
import { createPortCheck } from '../runtime/udp-ports.js';

export interface SearchFiles {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly runDir: string;
  readonly stateDir: string;
}

/** Nothing is opened before a pair is to be searched for. */
export function openSearchHost({ clock, logger, runDir, stateDir }: SearchFiles): SearchHost & AsyncDisposable {
  const path = join(stateDir, 'search.json');
  const stopping = new AbortController();
  const host = createSearchHost({
    clock,
    logger,
    signal: stopping.signal,
    random: (count) => randomInt(count),
    isFree: createPortCheck(clock.now),
    lock: () => takeLock(join(runDir, 'search.lock')),
    readLedger: () => readStateFile(path),
    writeLedger: (state) => writeStateFile(path, state),
  });
  return Object.assign(host, {
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await host.stop();
    },
  });
}
