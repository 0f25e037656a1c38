/** Who may read a record: what the folder says, what `mode` says, and file systems that refuse to be told (F74). */
import assert from 'node:assert/strict';
import { chmod, chown, type FileHandle, mkdtemp, open, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hasCode } from '@stunmesh/core/api';
import { createMemoryLogger, createSystemClock } from '@stunmesh/core/testing';
import fileStore, { type FileStoreConfig } from '#src/index.js';

const KEY = 'a'.repeat(40);
const OTHER = 'b'.repeat(40);
const NEIGHBOUR = 12_345;
const free = { signal: new AbortController().signal };
const root = process.getuid?.() === 0;

async function scratch(t: TestContext, mode = 0o700, owner?: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'store-file-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  if (owner !== undefined) await chown(folder, owner, owner);
  await chmod(folder, mode);
  return folder;
}

async function openAt(t: TestContext, path: string, more: Partial<FileStoreConfig> = {}) {
  const store = await fileStore.open({ path, ...more }, { clock: createSystemClock(), logger: createMemoryLogger() });
  t.after(() => store[Symbol.asyncDispose]());
  return store;
}

const modeOf = async (folder: string) => (await stat(join(folder, KEY))).mode & 0o777;

test('F74 a record takes the read and write bits of a folder that was there; in a sticky one it is read alone', async (t) => {
  for (const [folder, record] of [
    [0o700, 0o600],
    [0o750, 0o640],
    [0o755, 0o644],
    [0o2770, 0o660],
    [0o777, 0o666],
    [0o1777, 0o644],
  ] as const) {
    const path = await scratch(t, folder);
    const before = process.umask(0o077);
    try {
      await (await openAt(t, path)).set(KEY, 'abcd', free);
    } finally {
      process.umask(before);
    }
    assert.equal((await modeOf(path)).toString(8), record.toString(8), `in a folder of mode ${folder.toString(8)}`);
    assert.equal((await stat(path)).mode & 0o7777, folder);
  }
});

test('F74 mode says it instead; one in which we could not read and write ourselves is refused', async (t) => {
  const path = await scratch(t);
  for (const mode of ['0644', '640']) {
    await (await openAt(t, path, { mode })).set(KEY, 'abcd', free);
    assert.equal(await modeOf(path), Number.parseInt(mode, 8));
  }
  const { pattern } = (fileStore.configSchema as { properties: { mode: { pattern: string } } }).properties.mode;
  for (const wrong of ['0444', '0755', '644x', 'rw']) assert.doesNotMatch(wrong, new RegExp(pattern));
});

test("F74 in somebody else's folder a record is his to read, and he hears of it where he cannot", async (t) => {
  if (!root || !process.seteuid) return t.skip('needs root to give a folder away');
  const path = await scratch(t, 0o700, NEIGHBOUR);
  const store = await openAt(t, path);
  await store.set(KEY, 'abcd', free);
  process.seteuid(NEIGHBOUR);
  try {
    assert.equal(await readFile(join(path, KEY), 'utf8'), 'abcd');
  } finally {
    process.seteuid(0);
  }
  assert.equal(await store.get(KEY, free), 'abcd');
  assert.deepEqual(await store.examine?.(free), []);
  // As an older stunmesh wrote them.
  await writeFile(join(path, OTHER), 'abcd', { mode: 0o600 });
  const [remark, ...more] = (await store.examine?.(free)) ?? [];
  assert.match(remark?.text ?? '', /1 of 2 records .* cannot be read by user 12345/);
  assert.match(remark?.remedy ?? '', /mode: "0644"/);
  assert.equal(more.length, 0);
});

test('F74 a file system that refuses chmod, chown or fsync has the record all the same; other failures are failures', async (t) => {
  const path = await scratch(t, 0o755, root ? NEIGHBOUR : undefined);
  const handle = await open(join(path, 'x'), 'w');
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const store = await openAt(t, path);
  for (const code of ['EPERM', 'ENOTSUP', 'ENOSYS', 'EINVAL', 'EIO']) {
    const refuse = () => Promise.reject(Object.assign(new Error(code), { code }));
    const mocked = (['chmod', 'chown', 'datasync'] as const).map((name) => t.mock.method(prototype, name, refuse));
    const writing = store.set(KEY, 'abcd', free);
    if (code === 'EIO') await assert.rejects(writing, (error: unknown) => hasCode(error, 'ERR_STORE_UNAVAILABLE'));
    else await writing;
    for (const method of mocked) method.mock.restore();
    assert.equal(await store.get(KEY, free), 'abcd', code);
  }
});

test('F75 of what looks like a leftover only our own files are removed', async (t) => {
  if (!root) return t.skip('needs root to make files of another user');
  const path = await scratch(t, 0o1777);
  const old = new Date(Date.now() - 3_600_000);
  const names = ['0', '1'].map((digit) => `.${KEY}.${digit.repeat(16)}.tmp`);
  for (const name of names) {
    await writeFile(join(path, name), 'x');
    await utimes(join(path, name), old, old);
  }
  const [ours = '', his = ''] = names;
  await chown(join(path, his), NEIGHBOUR, NEIGHBOUR);
  await (await openAt(t, path)).set(KEY, 'abcd', free);
  await assert.rejects(stat(join(path, ours)), { code: 'ENOENT' });
  await stat(join(path, his));
});
