/**
 * `npm run release [-- PART…] [--out DIR]`: what a release consists of, in build/release unless told otherwise.
 * PART is `packages` (the tarballs for npm, with the prebuilds that have been made), `executables`, or a platform's name.
 */
import { statSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { packAll } from './build/pack.mjs';
import { say } from './say.mjs';
import { setUp } from './setup.mjs';
import { ROOT } from './workspace.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: 'string' }, 'no-build': { type: 'boolean', default: false } },
});

try {
  if (!values['no-build']) {
    const { typeErrors, nativeErrors } = await setUp();
    if (typeErrors || nativeErrors) throw new Error(`${typeErrors}\n${nativeErrors}`.trim());
  }
  const out = values.out === undefined ? join(ROOT, 'build/release') : resolve(values.out);
  const wanted = (/** @type {string} */ part) => positionals.length === 0 || positionals.includes(part);
  if (wanted('packages')) for (const file of await packAll(out)) told(file);
} catch (error) {
  say(`release: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

/** @param {string} file */
function told(file) {
  const size = statSync(file).size;
  const shown = relative(process.cwd(), file);
  say(`${(size / 1024).toFixed(0).padStart(8)} KiB  ${shown.startsWith('..') ? file : shown || basename(file)}`);
}
