/** Packs the packages as npm gets them. */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../run.mjs';
import { PNPM, ROOT } from '../workspace.mjs';
import { isFresh, prebuildPath } from './addon.mjs';
import { TARGETS } from './targets.mjs';

/**
 * Writes a tarball of each package into `out` (absolute); `workspace:` ranges become versions, which pnpm alone does.
 * @param {string} out @returns {Promise<string[]>} their paths
 */
export async function packAll(out) {
  mkdirSync(out, { recursive: true });
  // A prebuild that is older than its sources would be installed in place of them.
  for (const target of TARGETS)
    if (!isFresh(prebuildPath(target), target.capture)) rmSync(prebuildPath(target), { force: true });
  const args = ['-y', PNPM, '--recursive', '--filter', './packages/*', 'pack', '--pack-destination', out];
  const { code, output } = await run('npx', args, { cwd: ROOT });
  if (code !== 0) throw new Error(`pnpm pack ended with ${code}:\n${output.trim()}`);
  return readdirSync(out)
    .filter((name) => name.endsWith('.tgz'))
    .sort()
    .map((name) => join(out, name));
}
