/** Folders and disks that cannot be used: each fault is named with its remedy, and old values stay. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, chown, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { StunmeshError } from '@stunmesh/core/api';
import { createMemoryLogger, createSystemClock } from '@stunmesh/core/testing';
import fileStore from '#src/index.js';
import { failing, free, KEY, OTHER, openAt, scratch } from './folder.js';

const NOBODY = 65_534;

const root = process.getuid?.() === 0;

/** Runs as an ordinary user: root ignores modes. */
async function asNobody(t: TestContext, run: () => Promise<void>): Promise<boolean> {
  if (!root || !process.seteuid) {
    t.skip('needs root to become nobody');
    return false;
  }
  process.seteuid(NOBODY);
  try {
    await run();
  } finally {
    process.seteuid(0);
  }
  return true;
}

test('a relative path is refused with what to write instead', async () => {
  const components = { clock: createSystemClock(), logger: createMemoryLogger() };
  await assert.rejects(fileStore.open({ path: 'records' }, components), failing('ERR_CONFIG_INVALID', 'absolute'));
});

test('a folder that is a file is named with the remedy', async (t) => {
  const path = join(await scratch(t), 'records');
  await writeFile(path, '');
  const store = await openAt(t, path);
  await assert.rejects(store.get(KEY, free), failing('ERR_STORE_DENIED', path, 'remove the file'));
  await assert.rejects(store.set(KEY, 'abcd', free), failing('ERR_STORE_DENIED', path, 'remove the file'));
});

test('a folder that may not be written, and a record that may not be read, are named with the remedy', async (t) => {
  const path = await scratch(t);
  const own = await openAt(t, path);
  await own.set(KEY, 'abcd', free);
  await chmod(path, 0o755);
  const store = await openAt(t, path);
  const closed = await openAt(t, join(path, 'below'));
  await asNobody(t, async () => {
    await assert.rejects(store.set(OTHER, 'abcd', free), failing('ERR_STORE_DENIED', path, 'EACCES', 'right to'));
    await assert.rejects(store.get(KEY, free), failing('ERR_STORE_DENIED', join(path, KEY), 'EACCES'));
    await assert.rejects(closed.set(KEY, 'abcd', free), failing('ERR_STORE_DENIED', 'below', 'EACCES'));
  });
});

test('a read-only file system is named with the remedy', async (t) => {
  if (!root) return t.skip('needs root to mount');
  const path = await scratch(t);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'none', path]);
  try {
    const store = await openAt(t, path);
    await assert.rejects(store.set(KEY, 'abcd', free), failing('ERR_STORE_DENIED', path, 'EROFS', 'read-only'));
    assert.equal(await store.get(KEY, free), undefined);
  } finally {
    execFileSync('umount', [path]);
  }
});

test('a full disk is an error to retry, keeps the old value and leaves no temporary file', async (t) => {
  if (!root) return t.skip('needs root to mount');
  const path = await scratch(t);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', path]);
  try {
    const store = await openAt(t, path);
    await store.set(KEY, 'abcd', free);
    await writeFile(join(path, 'ballast'), 'x'.repeat(45_000));
    const error = await store.set(KEY, 'a'.repeat(30_000), free).then(
      () => assert.fail('the disk was not full'),
      (reason: unknown) => reason as StunmeshError,
    );
    assert.ok(failing('ERR_STORE_UNAVAILABLE', path, 'ENOSPC', 'space')(error));
    assert.equal(error.retry, 'later');
    assert.equal(await store.get(KEY, free), 'abcd');
    assert.deepEqual((await readdir(path)).sort(), [KEY, 'ballast']);
  } finally {
    execFileSync('umount', [path]);
  }
});

test("a write as another user into a folder of one's own works without root", async (t) => {
  const path = await scratch(t);
  if (root) await chown(path, NOBODY, NOBODY);
  const store = await openAt(t, path);
  const ran = await asNobody(t, async () => {
    await store.set(KEY, 'abcd', free);
    assert.equal(await store.get(KEY, free), 'abcd');
  });
  if (ran) assert.equal((await stat(join(path, KEY))).uid, NOBODY);
});

test('F73 a folder that was there and is gone is a fault of reading, and a record that is missing in it is none', async (t) => {
  const base = await scratch(t);
  const path = join(base, 'records');
  const store = await openAt(t, path);
  assert.equal(await store.get(KEY, free), undefined, 'nobody has written yet');
  await store.set(KEY, '01', free);
  await store.delete?.(KEY, free);
  assert.equal(await store.get(KEY, free), undefined);
  await rm(path, { recursive: true });
  await assert.rejects(store.get(KEY, free), failing('ERR_STORE_UNAVAILABLE', path, 'the folder is gone', 'ENOENT'));
  await store.set(KEY, '02', free);
  assert.equal(await store.get(KEY, free), '02');
});

test('F73 an empty folder that somebody else made is known as well', async (t) => {
  const base = await scratch(t);
  const store = await openAt(t, base);
  assert.equal(await store.get(KEY, free), undefined);
  await rm(base, { recursive: true });
  await assert.rejects(store.get(KEY, free), failing('ERR_STORE_UNAVAILABLE', 'the folder is gone'));
});

test('F76 a folder below /proc is refused with words, at once', {
  skip: process.platform === 'linux' ? false : 'needs /proc',
}, async () => {
  const store = await fileStore.open(
    { path: '/proc/x/y' },
    { clock: createSystemClock(), logger: createMemoryLogger() },
  );
  await assert.rejects(store.set(KEY, 'abcd', free), (error: StunmeshError) => {
    assert.equal(error.code, 'ERR_STORE_UNAVAILABLE');
    assert.match(error.message, /^\/proc\/x\/y.*choose another/);
    return true;
  });
  await store[Symbol.asyncDispose]();
});
