#!/usr/bin/env node
/** The command `stunmesh`: loads the program, and says why where not even that can be done. */
import './small-heap.js';
import { tooManyFiles } from '../runtime/descriptor-limit.js';

try {
  await import('./start.js');
} catch (error) {
  const full = tooManyFiles(error);
  if (full === undefined) throw error;
  process.stderr.write(`stunmesh: ${full} [ERR_TOO_MANY_FILES]\n`, () => process.exit(1));
}
