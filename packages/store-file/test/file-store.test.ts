/** Records in a folder: modes, whole values, what is refused, and what other writers leave there. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Store } from '@stunmesh/core/api';
import { createMemoryLogger } from '@stunmesh/core/testing';
import { failing, free, KEY, OTHER, openAt, scratch } from './folder.js';

test('F32 opening and closing a store leaves the disk alone', async (t) => {
  const path = join(await scratch(t), 'records');
  const store = await openAt(t, path);
  await store[Symbol.asyncDispose]();
  await assert.rejects(stat(path), { code: 'ENOENT' });
});

test('F32 a folder that is missing reads as no record and is made by the first write', async (t) => {
  const path = join(await scratch(t), 'deep', 'records');
  const store = await openAt(t, path);
  assert.equal(await store.get(KEY, free), undefined);
  await assert.rejects(stat(path), { code: 'ENOENT' });
  await store.set(KEY, 'abcd', free);
  assert.equal(await readFile(join(path, KEY), 'utf8'), 'abcd');
});

test('files have mode 0600 and the folder 0700 whatever the umask says', async (t) => {
  for (const mask of [0o000, 0o022, 0o777]) {
    const path = join(await scratch(t), 'records');
    const store = await openAt(t, path);
    const before = process.umask(mask);
    try {
      await store.set(KEY, 'abcd', free);
    } finally {
      process.umask(before);
    }
    assert.equal((await stat(path)).mode & 0o777, 0o700, `umask ${mask.toString(8)}`);
    assert.equal((await stat(join(path, KEY))).mode & 0o777, 0o600, `umask ${mask.toString(8)}`);
  }
});

test('a folder that was there keeps its mode', async (t) => {
  const path = await scratch(t);
  await chmod(path, 0o2770);
  await (await openAt(t, path)).set(KEY, 'abcd', free);
  assert.equal((await stat(path)).mode & 0o7777, 0o2770);
});

test('readers never see a torn value while writers replace it', async (t) => {
  const path = await scratch(t);
  const [writer, second, reader] = [await openAt(t, path), await openAt(t, path), await openAt(t, path)];
  const values = ['0', '1', '2'].map((digit) => digit.repeat(60_000));
  await writer.set(KEY, values[0] ?? '', free);
  let writing = true;
  const write = async (store: Store) => {
    for (let i = 0; i < 40; i += 1) await store.set(KEY, values[i % 3] ?? '', free);
  };
  const writes = Promise.all([write(writer), write(second)]).finally(() => {
    writing = false;
  });
  let reads = 0;
  while (writing) {
    const value = await reader.get(KEY, free);
    assert.ok(values.includes(value ?? ''), `torn value of ${value?.length} characters`);
    reads += 1;
  }
  await writes;
  assert.ok(reads > 20, `only ${reads} reads`);
  assert.deepEqual(await readdir(path), [KEY]);
});

test('a value with white space around it (another writer) is read without; an empty file is no record yet', async (t) => {
  const path = await scratch(t);
  const store = await openAt(t, path);
  await writeFile(join(path, KEY), ' abcd\r\n');
  await writeFile(join(path, OTHER), '\n');
  assert.equal(await store.get(KEY, free), 'abcd');
  assert.equal(await store.get(OTHER, free), undefined);
});

test('a file above 64 KiB is an error and is not read whole', async (t) => {
  const path = await scratch(t);
  const store = await openAt(t, path);
  await writeFile(join(path, KEY), 'a'.repeat(65_537));
  await assert.rejects(store.get(KEY, free), failing('ERR_STORE_TOO_LARGE', join(path, KEY)));
  await writeFile(join(path, KEY), Buffer.alloc(200_000_000));
  const before = process.memoryUsage().rss;
  await assert.rejects(store.get(KEY, free), failing('ERR_STORE_TOO_LARGE'));
  assert.ok(process.memoryUsage().rss - before < 50_000_000);
  await writeFile(join(path, KEY), 'a'.repeat(65_536));
  assert.equal((await store.get(KEY, free))?.length, 65_536);
  await assert.rejects(store.set(KEY, 'a'.repeat(65_537), free), failing('ERR_STORE_TOO_LARGE'));
});

test('F37 keys and values that are not plain hexadecimal are refused and touch nothing', async (t) => {
  const path = await scratch(t);
  const store = await openAt(t, path);
  for (const key of [
    '',
    '..',
    '../../etc/passwd',
    'A'.repeat(40),
    'a'.repeat(39),
    `${KEY}\n`,
    `${'a'.repeat(37)}/..`,
  ]) {
    await assert.rejects(store.get(key, free), failing('ERR_STORE_INPUT'), key);
    await assert.rejects(store.set(key, 'abcd', free), failing('ERR_STORE_INPUT'), key);
    await assert.rejects(async () => store.delete?.(key, free), failing('ERR_STORE_INPUT'), key);
  }
  for (const value of ['', '$(id)', 'ab\n', 'xyz']) {
    await assert.rejects(store.set(KEY, value, free), failing('ERR_STORE_INPUT'), value);
  }
  assert.deepEqual(await readdir(path), []);
});

test('a symbolic link, a folder or a FIFO under a key is refused and never followed', async (t) => {
  const path = await scratch(t);
  const outside = join(await scratch(t), 'secret');
  await writeFile(outside, 'abcdef');
  const store = await openAt(t, path);
  await symlink(outside, join(path, KEY));
  await assert.rejects(store.get(KEY, free), failing('ERR_STORE_DENIED', 'symbolic link'));
  await store.set(KEY, '1234', free);
  assert.equal(await readFile(outside, 'utf8'), 'abcdef', 'the link was written through');
  assert.equal(await store.get(KEY, free), '1234');

  await mkdir(join(path, OTHER));
  await assert.rejects(store.get(OTHER, free), failing('ERR_STORE_DENIED', 'not a regular file'));
  await assert.rejects(store.set(OTHER, '1234', free), failing('ERR_STORE_DENIED', OTHER));
  assert.deepEqual((await readdir(path)).sort(), [KEY, OTHER], 'a temporary file was left');

  const fifo = 'c'.repeat(40);
  execFileSync('mkfifo', [join(path, fifo)]);
  await assert.rejects(store.get(fifo, free), failing('ERR_STORE_DENIED', 'not a regular file'));
});

test('temporary files that a crash left are removed when they are old, and only those', async (t) => {
  const path = await scratch(t);
  const leftover = (digit: string) => join(path, `.${KEY}.${digit.repeat(16)}.tmp`);
  const hourAgo = new Date(Date.now() - 3_600_000);
  for (const name of [leftover('1'), leftover('2'), join(path, OTHER), join(path, '.notes.tmp')]) {
    await writeFile(name, 'ab');
    if (name !== leftover('2')) await utimes(name, hourAgo, hourAgo);
  }
  const logger = createMemoryLogger();
  await (await openAt(t, path, logger)).set(KEY, 'abcd', free);
  const expected = [leftover('2'), join(path, OTHER), join(path, '.notes.tmp'), join(path, KEY)];
  assert.deepEqual((await readdir(path)).map((name) => join(path, name)).sort(), expected.sort());
  assert.match(logger.text(), /"removed":1/);
});
