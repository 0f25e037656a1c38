/** A store in one file, outside of every package: it imports this program's own classes, in the clone too. */
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hasCode, StunmeshError } from '#src/api/index.js';
import { createLoader } from '#src/host/loader.js';
import { createFakeClock, createMemoryLogger } from '#src/testing/index.js';

const ROOT = join(dirname(fileURLToPath(import.meta.resolve('#src/host/loader.js'))), '../../../..');

test('a store by its path, with nothing installed beside it, uses the very classes of this program', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'published-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'store.mjs');
  await copyFile(join(ROOT, 'test/fixtures/e2e/one-file-store.mjs'), file);
  const module = await createLoader({}).loadStore({ name: 'acme', type: 'builtin', module: file });
  assert.equal(module.name, 'one-file');
  const store = await module.open({ path: folder }, { clock: createFakeClock(), logger: createMemoryLogger() });
  await store[Symbol.asyncDispose]();
  await assert.rejects(store.get('ab', { signal: new AbortController().signal }), (error: unknown) => {
    assert.ok(error instanceof StunmeshError && hasCode(error, 'ERR_CLOSED'));
    return true;
  });
});
