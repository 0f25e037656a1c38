/** Folders in which stores remember: made on demand, for us alone, whatever the store is called. */
import assert from 'node:assert/strict';
import { chown, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { type TestContext, test } from 'node:test';
import { stateFolder } from '#src/runtime/state-folder.js';

async function place(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'state-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('F75 a folder is made when it is asked for, with mode 0700, and again after it was removed', async (t) => {
  const state = await place(t);
  for (let i = 0; i < 2; i += 1) {
    const folder = await stateFolder(state, 'dht');
    assert.equal(folder, join(state, 'stores/dht'));
    for (const path of [folder, dirname(folder)]) assert.equal((await stat(path)).mode & 0o777, 0o700);
    await rm(dirname(folder), { recursive: true });
  }
});

test('each store has its own folder below it, whatever it is called', async (t) => {
  const state = await place(t);
  const names = ['a', 'A.b-c', '..', '.', '', '../../etc', 'a/b', 'mein Speicher', '\0', 'n'.repeat(200)];
  const folders = await Promise.all(names.map((name) => stateFolder(state, name)));
  assert.equal(new Set(folders).size, names.length);
  for (const folder of folders) assert.match(relative(join(state, 'stores'), folder), /^[\w-][\w.-]*$/);
});

test('F75 in a folder that belongs to another user nothing is made', {
  skip: process.geteuid?.() === 0 ? false : 'needs root',
}, async (t) => {
  const state = await place(t);
  await chown(state, 12_345, 12_345);
  await assert.rejects(stateFolder(state, 'dht'), { code: 'EPERM' });
  assert.deepEqual(await readdir(state), []);
});
