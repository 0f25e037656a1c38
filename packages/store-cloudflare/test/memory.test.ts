/** What the store costs a process that polls with it: an idle daemon with it has to stay below 75 MiB. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { TOKEN, ZONE } from './lab/api-server.js';
import { nameOf, newKey, newValue, startApi } from './lab/open-store.js';

const run = promisify(execFile);

const PROGRAM = `
import { createMemoryLogger, createSystemClock } from '@stunmesh/core/testing';
const rss = () => process.memoryUsage().rss / 1048576;
const components = { clock: createSystemClock(), logger: createMemoryLogger() };
const before = rss();
const { default: store } = await import('#src/index.js');
const loaded = rss();
const opened = await store.open(JSON.parse(process.env.CONFIG), components);
const keys = process.env.KEYS.split(',');
const options = { signal: new AbortController().signal };
for (let round = 0; round < 30; round += 1) {
  await opened.getMany(keys, options);
  await opened.set(keys[0], 'abcd', options);
}
global.gc();
const used = rss();
await opened[Symbol.asyncDispose]();
process.stdout.write(JSON.stringify({ before, loaded, used }));
`;

test('a process that polls 20 peers for a while has grown by less than 20 MiB', async (t) => {
  const api = await startApi(t);
  const keys = Array.from({ length: 20 }, newKey);
  for (const key of keys) api.add(nameOf(key), newValue());
  const { stdout } = await run(process.execPath, ['--expose-gc', '--input-type=module', '-e', PROGRAM], {
    cwd: new URL('.', import.meta.url).pathname,
    env: {
      PATH: process.env['PATH'],
      CONFIG: JSON.stringify({ zone: ZONE, subdomain: 'wg', token: TOKEN, api: api.url }),
      KEYS: keys.join(','),
    },
  });
  const { before, loaded, used } = JSON.parse(stdout) as Record<'before' | 'loaded' | 'used', number>;
  const text = `${before.toFixed(1)} MiB before, ${loaded.toFixed(1)} loaded, ${used.toFixed(1)} after 60 calls`;
  t.diagnostic(text);
  // With fetch, or with the SDK as it is published, these are 30 to 50.
  assert.ok(loaded - before < 12, text);
  assert.ok(used - before < 20, text);
});
