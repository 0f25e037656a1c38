/** The state file on a real disk: whole or not at all, its owner's alone, and never in the way. */
import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hasCode } from '#src/api/index.js';
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

test('a full disk is ERR_STATE with the way out, and the old file stands', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root to mount a small disk');
  const dir = await folder(t);
  const { execFile } = await import('node:child_process');
  const { promisify } = await import('node:util');
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
