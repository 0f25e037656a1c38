#!/usr/bin/env node
/** The command `stunmesh`: loads the program, and says why where not even that can be done. */
import './small-heap.js';
import { isMainThread } from 'node:worker_threads';
import { tooManyFiles } from '../runtime/descriptor-limit.js';

try {
  // The same program is its own worker: where it is one file, there is no other that could be (config/load-aside).
  if (isMainThread) await import('./start.js');
  else await import('../config/load-worker.js');
} catch (error) {
  const full = tooManyFiles(error);
  if (full === undefined) throw error;
  process.stderr.write(`stunmesh: ${full} [ERR_TOO_MANY_FILES]\n`, () => process.exit(1));
}
