/** The state file on a real disk: whole or not at all, its owner's alone, and never in the way. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { hasCode } from '#src/api/index.js';
import { removeLeftovers } from '#src/runtime/leftovers.js';
import { takeLock } from '#src/runtime/lock.js';
import { readStateFile, writeStateFile } from '#src/runtime/state-file.js';

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'stunmesh-state-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

test('what was written is read again; nothing there is undefined', async (t) => {
  const path = join(await folder(t), 'deep', 'down', 'wg0.json');
  assert.equal(await readStateFile(path), undefined);
  await writeStateFile(path, { version: 1, t: 5 });
  assert.deepEqual(await readStateFile(path), { version: 1, t: 5 });
});

test('mode 0600 in a folder 0700, also over a file that was open to all', async (t) => {
  const dir = join(await folder(t), 'state');
  const path = join(dir, 'wg0.json');
  await writeStateFile(path, {});
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await stat(dir)).mode & 0o777, 0o700);
  await chmod(path, 0o644);
  await writeStateFile(path, {});
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

test('a reader sees the old or the new value, never half of one, and no temporary file is left', async (t) => {
  const dir = await folder(t);
  const path = join(dir, 'wg0.json');
  const value = (n: number) => ({ n, filler: String(n).repeat(50_000) });
  await writeStateFile(path, value(0));
  let writing = true;
  const writer = (async () => {
    for (let n = 1; n <= 20; n += 1) await writeStateFile(path, value(n % 10));
    writing = false;
  })();
  let reads = 0;
  while (writing) {
    const { n, filler } = JSON.parse(await readFile(path, 'utf8')) as ReturnType<typeof value>;
    assert.equal(filler.length, 50_000, `${n}`);
    reads += 1;
  }
  await writer;
  assert.ok(reads > 3);
  assert.deepEqual(await readdir(dir), ['wg0.json']);
});

test('a damaged file is ERR_STATE, not a crash, and is written anew', async (t) => {
  const path = join(await folder(t), 'wg0.json');
  await writeFile(path, '{"version":1,"t":12');
  await assert.rejects(readStateFile(path), (error) => hasCode(error, 'ERR_STATE') && /not JSON/.test(String(error)));
  await writeStateFile(path, { version: 1 });
  assert.deepEqual(await readStateFile(path), { version: 1 });
});

test('F76 a FIFO, a folder, a socket or a huge file in its place is named at once, and costs nothing', async (t) => {
  const dir = await folder(t);
  const [fifo, inside, huge, device] = ['fifo', 'folder', 'huge', 'zero'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
    string,
  ];
  await promisify(execFile)('mkfifo', [fifo]);
  await mkdir(inside);
  await writeFile(huge, '');
  await truncate(huge, 50_000_000);
  await symlink('/dev/zero', device);
  const socket = join(dir, 'socket');
  const server = createServer().listen(socket);
  t.after(() => server.close());
  for (const [path, why] of [
    [fifo, /no regular file/],
    [inside, /a folder/],
    [socket, /no regular file/],
    [device, /no regular file/],
    [huge, /50000000 bytes, and at most 4194304/],
  ] as const)
    await assert.rejects(readStateFile(path), (error) => hasCode(error, 'ERR_STATE') && why.test(String(error)), path);
  await writeStateFile(fifo, { version: 1 });
  assert.deepEqual(await readStateFile(fifo), { version: 1 });
});

test('F79 what a killed writer left beside it is swept at the next start', async (t) => {
  const dir = await folder(t);
  const path = join(dir, 'wg0.json');
  await writeStateFile(path, {});
  const gone = 2 ** 22 + 1;
  for (const name of [`wg0.json.${gone}.tmp`, `wg1.json.${gone}.tmp`, 'wg0.json.bak', 'wg0.json.1.tmp'])
    await writeFile(join(dir, name), '{"half":');
  await removeLeftovers(path);
  const left = (await readdir(dir)).sort();
  assert.deepEqual(left, ['wg0.json', 'wg0.json.1.tmp', 'wg0.json.bak', `wg1.json.${gone}.tmp`]);
  await removeLeftovers(join(dir, 'nowhere', 'wg0.json'));
});

test('a full disk is ERR_STATE with the way out, and the old file stands', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root to mount a small disk');
  const dir = await folder(t);
  const run = promisify(execFile);
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', dir]).then(
    () => true,
    () => false,
  );
  if (!mounted) return t.skip('cannot mount a tmpfs here');
  try {
    const path = join(dir, 'wg0.json');
    await writeStateFile(path, { old: true });
    await assert.rejects(
      writeStateFile(path, { filler: 'x'.repeat(1_000_000) }),
      (error) => hasCode(error, 'ERR_STATE') && /ENOSPC/.test(String(error)) && /state_dir/.test(String(error)),
    );
    assert.deepEqual(await readStateFile(path), { old: true });
    assert.deepEqual(await readdir(dir), ['wg0.json']);
  } finally {
    await run('umount', [dir]);
  }
});

test('a read-only file system is named, also where folders would have to be made, and root is not told to be root', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root to mount a small disk');
  const dir = await folder(t);
  const run = promisify(execFile);
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=64k,ro', 'tmpfs', dir]).then(
    () => true,
    () => false,
  );
  if (!mounted) return t.skip('cannot mount a tmpfs here');
  try {
    for (const path of [join(dir, 'wg0'), join(dir, 'deep', 'down', 'wg0')]) {
      await assert.rejects(writeStateFile(`${path}.json`, {}), (error) => {
        assert.match(String(error), /\(EROFS\): its file system is read-only; set state_dir to/);
        return hasCode(error, 'ERR_STATE');
      });
      await assert.rejects(takeLock(`${path}.lock`), (error) => {
        assert.match(String(error), /\(EROFS\): its file system is read-only; set run_dir to/);
        assert.doesNotMatch(String(error), /run as root/);
        return hasCode(error, 'ERR_RUN_DIR');
      });
    }
  } finally {
    await run('umount', [dir]);
  }
});

test('a folder that cannot be made or written is ERR_STATE', async (t) => {
  const dir = await folder(t);
  await writeFile(join(dir, 'a file'), '');
  const write = writeStateFile(join(dir, 'a file', 'wg0.json'), {});
  await assert.rejects(write, (error) => hasCode(error, 'ERR_STATE') && /ENOTDIR|EEXIST/.test(String(error)));
  await assert.rejects(readStateFile(join(dir, 'a file', 'wg0.json')), (error) => hasCode(error, 'ERR_STATE'));
});

test('a file that stands where the state should be replaced as a whole: links are not followed', async (t) => {
  const dir = await folder(t);
  const target = join(dir, 'target');
  await writeFile(target, 'precious');
  await mkdir(join(dir, 'state'));
  await symlink(target, join(dir, 'state', 'wg0.json'));
  await writeStateFile(join(dir, 'state', 'wg0.json'), { version: 1 });
  assert.equal(await readFile(target, 'utf8'), 'precious');
});
