/** Keeps the daemon small on a router: imported first, before anything allocates. Costs some speed that nothing here needs. */
import { setFlagsFromString } from 'node:v8';
import { isMainThread } from 'node:worker_threads';

// Flags are the whole process's: a worker that starts later must not take back what was allowed meanwhile.
if (isMainThread) {
  // The young generation begins with 1 MiB a half, may grow to 16, and gives nothing back. How far it may grow is settled before
  // any script runs; that it does not grow can still be said.
  setFlagsFromString('--semi-space-growth-factor=1');
  // Of workers, whose heaps are made later.
  setFlagsFromString('--max-semi-space-size=1');
  setFlagsFromString('--min-semi-space-size=1');
  // The optimising compiler and what it leaves behind are 7 MiB; up to 200 peers keep no code hot (their keys are OpenSSL's work).
  setFlagsFromString('--no-opt');
}
