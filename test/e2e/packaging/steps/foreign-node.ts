/** Nodes that are not the one of the test: of other processors, under qemu, and the newest. */
import { join } from 'node:path';
import { ROOT } from '../../../architecture/source.js';
import { must } from '../../lab/index.js';

export const FETCH_MS = 300_000;

/** The start of a command line; what it needs is fetched where it is not there. `newest`: for this processor, which is x64. */
export async function foreignNode(platform: 'linux-arm64' | 'linux-arm' | 'newest'): Promise<readonly string[]> {
  const tool = join(ROOT, 'test/tools/packaging/foreign.mjs');
  const said = await must(undefined, [process.execPath, tool, platform], { timeoutMs: FETCH_MS });
  return JSON.parse(said.trimEnd().split('\n').at(-1) ?? '') as string[];
}
