/** What the tests of packages fetch, fetched ahead: they have time limits, and a network may be slow. */
import process from 'node:process';
import { say, yellow } from '../say.mjs';
import { fetchCompiler } from './prebuild.mjs';
import { EMULATED, runtime } from './runtimes.mjs';

/** Never fatal: a test that misses something fetches it itself, or says why it cannot. */
export async function fetchForTests() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return;
  for (const fetching of [fetchCompiler, ...Object.keys(EMULATED).map((platform) => () => runtime(platform))])
    await fetching().catch((error) => say(yellow(error instanceof Error ? error.message : String(error))));
}
