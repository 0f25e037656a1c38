import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hasCode, type Store, type StunmeshError } from '@stunmesh/core/api';
import { createMemoryLogger, createSystemClock } from '@stunmesh/core/testing';
import fileStore from '#src/index.js';

const KEY = 'a'.repeat(40);
const OTHER = 'b'.repeat(40);
const NOBODY = 65_534;
const free = { signal: new AbortController().signal };
const root = process.getuid?.() === 0;

async function scratch(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'store-file-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function openAt(t: TestContext, path: string, logger = createMemoryLogger()): Promise<Store> {
  const store = await fileStore.open({ path }, { clock: createSystemClock(), logger });
  t.after(() => store[Symbol.asyncDispose]());
  return store;
}

/** Rejects with this code and a message that has all these parts. */
const failing =
  (code: string, ...parts: readonly string[]) =>
  (error: StunmeshError) => {
    assert.equal(error.code, code, error.message);
    for (const part of parts) assert.ok(error.message.includes(part), `"${part}" is not in: ${error.message}`);
    return true;
  };

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

test('a relative path is refused with what to write instead', async () => {
  const components = { clock: createSystemClock(), logger: createMemoryLogger() };
  await assert.rejects(fileStore.open({ path: 'records' }, components), failing('ERR_CONFIG_INVALID', 'absolute'));
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

test('watch hears a rename, a plain write, and all again after the folder was removed and made anew', async (t) => {
  const base = await scratch(t);
  const path = join(base, 'records');
  const store = await openAt(t, path);
  const other = await openAt(t, path);
  let wake: () => void = () => {};
  let heard = 0;
  const on = {
    change(key: string) {
      assert.equal(key, KEY);
      heard += 1;
      wake();
    },
    fault: (error: StunmeshError) => assert.fail(error.message),
  };
  const watch = await store.watch?.([KEY], on, free);
  const next = async (act: () => Promise<unknown>) => {
    const before = heard;
    const change = new Promise<void>((resolve) => {
      wake = resolve;
    });
    await act();
    if (heard === before) await change;
  };
  // The folder is not there yet: the watch waits for it.
  await next(() => other.set(KEY, '01', free));
  await next(() => other.set(KEY, '02', free));
  await next(() => writeFile(join(path, KEY), '03'));
  assert.equal(await store.get(KEY, free), '03');
  await rm(path, { recursive: true });
  await next(() => other.set(KEY, '04', free));
  await next(() => other.set(KEY, '05', free));
  await rename(path, join(base, 'aside'));
  await next(() => other.set(KEY, '06', free));
  await next(() => other.set(KEY, '07', free));
  assert.equal(await store.get(KEY, free), '07');
  await watch?.[Symbol.asyncDispose]();
});

test('one watcher serves all keys, several writes at once are one change, and a fault is told once', async (t) => {
  const path = await scratch(t);
  const store = await openAt(t, path);
  const heard: string[] = [];
  const on = { change: (key: string) => heard.push(key), fault: () => {} };
  const inotify = async () => (await readdir('/proc/self/fd')).length;
  if (process.platform === 'linux') {
    const first = await store.watch?.([KEY], on, free);
    await store.set(KEY, '01', free);
    const before = await inotify();
    const more = await Promise.all(
      Array.from({ length: 50 }, (_, i) => store.watch?.([i.toString(16).padStart(40, '0')], on, free)),
    );
    assert.equal(await inotify(), before);
    for (const one of [first, ...more]) await one?.[Symbol.asyncDispose]();
  }

  const file = join(path, 'file');
  await writeFile(file, '');
  const logger = createMemoryLogger();
  const broken = await openAt(t, file, logger);
  const fault = await new Promise<StunmeshError>((resolve) => {
    void broken.watch?.([KEY], { change: () => {}, fault: resolve }, free);
  });
  assert.ok(hasCode(fault, 'ERR_STORE_DENIED'));
  assert.equal(logger.lines.filter(({ level }) => level === 'warn').length, 1);
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
