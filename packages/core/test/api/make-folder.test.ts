/** Folders are made with all that is above them, and where none can be made that is said at once (F76: by everybody who makes one). */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeFolder, makeFolderSync } from '#src/api/index.js';
import { openControlServer } from '#src/control/server.js';
import { takeLock } from '#src/runtime/lock.js';
import { claimFolder } from '#src/runtime/own-folder.js';
import { openScratch } from '#src/runtime/scratch.js';
import { writeStateFile } from '#src/runtime/state-file.js';
import { openNewFile } from '#src/setup/write-files.js';
import { createFakeClock } from '#src/testing/index.js';

async function place(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'make-folder-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const WAYS = {
  makeFolder,
  makeFolderSync: async (path: string, mode: number) => makeFolderSync(path, mode),
};
const LINUX = { skip: process.platform === 'linux' ? false : 'needs /proc' };

for (const [name, make] of Object.entries(WAYS)) {
  test(`${name} makes what is missing, with one mode, and takes a folder that is there`, async (t) => {
    const at = await place(t);
    assert.equal(await make(join(at, 'a/b/c'), 0o700), true);
    for (const part of ['a', 'a/b', 'a/b/c']) assert.equal((await stat(join(at, part))).mode & 0o777, 0o700);
    assert.equal(await make(join(at, 'a/b/c'), 0o755), false);
    assert.equal((await stat(join(at, 'a/b/c'))).mode & 0o777, 0o700);
    await symlink(join(at, 'a'), join(at, 'link'));
    assert.equal(await make(join(at, 'link/d'), 0o700), true);
    assert.equal(await make(join(at, 'link'), 0o700), false);
    assert.equal(await make('/', 0o700), false);
  });

  test(`${name} refuses a file in its place, one above it, and a link to nowhere`, async (t) => {
    const at = await place(t);
    await writeFile(join(at, 'file'), 'kept');
    await symlink(join(at, 'nowhere'), join(at, 'link'));
    await assert.rejects(make(join(at, 'file'), 0o700), { code: 'EEXIST' });
    await assert.rejects(make(join(at, 'file/a/b'), 0o700), { code: 'ENOTDIR' });
    await assert.rejects(make(join(at, 'link'), 0o700), { code: 'EEXIST' });
    assert.equal(await readFile(join(at, 'file'), 'utf8'), 'kept');
  });

  test(`F76 ${name} ends where nothing can be made`, LINUX, async () => {
    await assert.rejects(make('/proc/x/y/z', 0o700), { code: 'ENOENT' });
  });
}

test('F76 a path below /proc is refused with words by whoever writes there', LINUX, async () => {
  const refused = (code: string, setting: RegExp) => (error: Error & { readonly code?: string }) => {
    assert.equal(error.code, code);
    assert.match(error.message, /\/proc\/x/);
    assert.match(error.message, setting);
    return true;
  };
  await claimFolder('/proc/x/y', 'run_dir', 'ERR_RUN_DIR');
  await assert.rejects(takeLock('/proc/x/y/wg0.lock'), refused('ERR_RUN_DIR', /set run_dir/));
  await assert.rejects(writeStateFile('/proc/x/y/wg0.json', {}), refused('ERR_STATE', /set state_dir/));
  await assert.rejects(openNewFile('/proc/x/y/config.yaml', ''), refused('ERR_CONFIG_WRITE', /--output/));
  const serving = { clock: createFakeClock(), snapshot: () => [] };
  await assert.rejects(openControlServer('/proc/x/y/wg0.sock', serving), refused('ERR_RUN_DIR', /run_dir/));
  using scratch = await openScratch('/proc/x/y');
  assert.throws(() => scratch.folder(), { code: 'ENOENT' });
});
