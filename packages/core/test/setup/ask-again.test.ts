/** A configuration that does not pass its check is asked for once more. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import type { Question } from '#src/setup/ask.js';
import { initialise } from '#src/setup/init.js';
import { keyPair } from '../controllers/far-side.js';

test('what the check refuses is asked once more on a terminal, with the answers as they were', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'stunmesh-init-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const asked: [string, string | undefined][] = [];
  const told: string[] = [];
  let refusals = 1;
  const asker = {
    async ask({ question, fallback }: Question) {
      asked.push([question, fallback]);
      return question === 'path' ? (fallback ?? '/srv/mesh') : (fallback ?? '');
    },
    tell: (text: string) => void told.push(text),
    [Symbol.dispose]: () => undefined,
  };
  await initialise({
    devices: [{ name: 'wg0', publicKey: keyPair('own').publicKey, listenPort: 51820, peers: [] }],
    flags: { store: 'file', settings: [], stunServers: [] },
    asker,
    output: 'config.yaml',
    cwd: dir,
    force: false,
    async check() {
      refusals -= 1;
      if (refusals >= 0) throw new StunmeshError('ERR_CONFIG_INVALID', 'path: no');
      return [];
    },
  });
  assert.deepEqual(
    asked.filter(([question]) => question === 'path').map(([, fallback]) => fallback),
    [undefined, '/srv/mesh'],
  );
  assert.match(told.join(), /path: no[\s\S]*Enter keeps an answer/);
  assert.deepEqual(await readdir(dir), ['config.yaml']);
});
