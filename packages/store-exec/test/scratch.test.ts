import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, fstatSync, readFileSync } from 'node:fs';
import { chmod, mkdir, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createMemoryLogger } from '@stunmesh/core/testing';
import { makeFifos } from '#src/fifos.js';
import execStore from '#src/index.js';
import { createScratch } from '#src/scratch.js';
import { clock, free, KEY, plugin, scratch, script } from './fixture.js';

const NOBODY = 65_534;
/** Makes what looks like an old folder of ours, with as many files as take a while; once they begin to vanish a link to another
 * folder stands in their place. */
const SWAP = `
const fs = require('node:fs');
const [bait, victim, ...names] = process.argv.slice(1);
fs.mkdirSync(bait + '/inner', { recursive: true });
const fill = (word) => { for (let n = 0; n < 3000; n += 1) fs.writeFileSync(bait + '/inner/' + word + n, ''); };
fill('before');
for (const name of names) fs.writeFileSync(bait + '/inner/' + name, '');
fill('after');
fs.symlinkSync(victim, bait + '-link');
const all = fs.readdirSync(bait + '/inner').length;
const old = new Date(Date.now() - 7200000);
fs.utimesSync(bait, old, old);
process.stdout.write('ready');
while (fs.readdirSync(bait + '/inner').length === all);
fs.renameSync(bait + '/inner', bait + '-aside');
fs.renameSync(bait + '-link', bait + '/inner');`;

/** Runs `run` with temporary files in a folder of its own. */
async function inFolder(t: TestContext, run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await scratch(t);
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = folder;
  try {
    await run(folder);
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  }
}

test('input is a file without a name that only its owner may read', (t) => {
  using files = createScratch(makeFifos);
  const fd = files.inputFd('A=5\n');
  t.after(() => closeSync(fd));
  const { mode, nlink } = fstatSync(fd);
  assert.deepEqual([mode & 0o777, nlink], [0o600, 0]);
  assert.equal(readFileSync(fd, 'utf8'), 'A=5\n');
});

test('pipes are made in one go, used again when their end was read, and thrown away when not', async (t) => {
  await inFolder(t, async (folder) => {
    let batches = 0;
    using files = createScratch(async (paths) => {
      batches += 1;
      await makeFifos(paths);
    });
    assert.deepEqual(await readdir(folder), [], 'making the object made files (F32)');
    const count = async () => (await readdir(join(folder, (await readdir(folder))[0] ?? ''))).length;
    for (let i = 0; i < 40; i += 1) {
      const pipes = await Promise.all([files.takePipe(), files.takePipe(), files.takePipe()]);
      for (const pipe of pipes) {
        assert.ok(pipe);
        closeSync(pipe.writeFd);
        pipe.release(true);
      }
    }
    assert.deepEqual([batches, await count()], [1, 16]);
    const dirty = await files.takePipe();
    assert.ok(dirty);
    closeSync(dirty.writeFd);
    dirty.release(false);
    assert.equal(await count(), 15);
  });
});

test('a temporary folder or pipe that somebody clears away is made again', async (t) => {
  const store = await plugin(t, 'shell', '. /dev/stdin\necho $STUNMESH_KEY');
  await inFolder(t, async (folder) => {
    assert.equal(await store.get(KEY, free), KEY);
    const [first = ''] = await readdir(folder);
    for (const name of await readdir(join(folder, first))) await rm(join(folder, first, name));
    assert.equal(await store.get(KEY, free), KEY);
    await rm(join(folder, first), { recursive: true });
    assert.equal(await store.get(KEY, free), KEY);
    assert.notEqual((await readdir(folder))[0], first);
    await store[Symbol.asyncDispose]();
    assert.deepEqual(await readdir(folder), []);
  });
});

test('F75 in a shared folder nothing is removed but what this process made, however much it looks like ours', async (t) => {
  const dead = spawnSync('true').pid;
  await inFolder(t, async (folder) => {
    const old = new Date(Date.now() - 2 * 3_600_000);
    const left = join(folder, `stunmesh-exec-${dead}-aaaaaa`);
    await mkdir(left);
    await utimes(left, old, old);
    const files = createScratch(makeFifos);
    closeSync(files.inputFd('x'));
    const own = (await readdir(folder)).find((name) => join(folder, name) !== left) ?? '';
    assert.equal((await stat(join(folder, own))).mode & 0o777, 0o700);
    files[Symbol.dispose]();
    assert.deepEqual(await readdir(folder), [basename(left)]);
  });
});

test('F75 a local user who swaps a folder for a link while we work has no file of another folder removed', async (t) => {
  if (process.geteuid?.() !== 0) return t.skip('needs root to become another user');
  const victim = await scratch(t);
  const files = Array.from({ length: 50 }, (_, n) => `f${n}`);
  const dead = spawnSync('true').pid;
  await inFolder(t, async (folder) => {
    await chmod(folder, 0o1777);
    for (const name of files) await writeFile(join(victim, name), 'x');
    const bait = join(folder, `stunmesh-exec-${dead}-aaaaaa`);
    const attacker = spawn(process.execPath, ['-e', SWAP, bait, victim, ...files], {
      uid: NOBODY,
      gid: NOBODY,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const over = new Promise((resolve) => attacker.once('exit', resolve));
    try {
      await new Promise((resolve) => attacker.stdout.once('data', resolve));
      using made = createScratch(makeFifos);
      closeSync(made.inputFd('x'));
    } finally {
      attacker.kill('SIGKILL');
      await over;
    }
    assert.equal((await readdir(victim)).length, files.length, 'files of another folder were removed');
  });
});

test('F75 a place in which others may replace what is ours is not used', async (t) => {
  const folder = await scratch(t);
  await chmod(folder, 0o777);
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = folder;
  try {
    using files = createScratch(makeFifos);
    closeSync(files.inputFd('x'));
    assert.deepEqual(await readdir(folder), []);
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  }
});

test("F75 the host's folder is used where there is one, asked for at the first call, and left empty", async (t) => {
  const host = await scratch(t);
  let asked = 0;
  const store = await execStore.open(
    { type: 'shell', command: await script(t, '#!/bin/sh\n. /dev/stdin\necho $STUNMESH_KEY\n') },
    {
      clock,
      logger: createMemoryLogger(),
      scratchFolder() {
        asked += 1;
        return host;
      },
    },
  );
  assert.equal(asked, 0, 'opening asked for it (F32)');
  assert.equal(await store.get(KEY, free), KEY);
  const [made = ''] = await readdir(host);
  assert.equal((await stat(join(host, made))).mode & 0o777, 0o700);
  // A host that stops removes it first.
  await rm(join(host, made), { recursive: true });
  assert.equal(await store.get(KEY, free), KEY);
  await store[Symbol.asyncDispose]();
  assert.deepEqual(await readdir(host), []);
});

test('twenty stores at once hang on one exit listener, and leave none', async (t) => {
  const before = process.listenerCount('exit');
  const stores = await Promise.all(Array.from({ length: 20 }, () => plugin(t, 'shell', 'echo abcd')));
  assert.deepEqual(
    new Set(await Promise.all(stores.map((store) => store.get(KEY, { signal: new AbortController().signal })))),
    new Set(['abcd']),
  );
  assert.equal(process.listenerCount('exit'), before + 1);
  await Promise.all(stores.map((store) => store[Symbol.asyncDispose]()));
  assert.equal(process.listenerCount('exit'), before);
});
