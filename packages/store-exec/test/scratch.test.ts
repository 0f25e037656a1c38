import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeFifos } from '#src/fifos.js';
import { createScratch } from '#src/scratch.js';
import { free, KEY, plugin, scratch } from './fixture.js';

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

test('folders that killed processes left are removed when they are old, others are not', async (t) => {
  const dead = spawnSync('true').pid;
  await inFolder(t, async (folder) => {
    const old = new Date(Date.now() - 2 * 3_600_000);
    const names = {
      deadOld: `stunmesh-exec-${dead}-aaaaaa`,
      deadNew: `stunmesh-exec-${dead}-bbbbbb`,
      alive: `stunmesh-exec-${process.ppid}-cccccc`,
      foreign: 'something-else',
    };
    for (const name of Object.values(names)) {
      await mkdir(join(folder, name));
      if (name !== names.deadNew) await utimes(join(folder, name), old, old);
    }
    using files = createScratch(makeFifos);
    closeSync(files.inputFd('x'));
    const left = await readdir(folder);
    assert.ok(!left.includes(names.deadOld));
    for (const name of [names.deadNew, names.alive, names.foreign]) assert.ok(left.includes(name), name);
    const own = left.find((name) => name.startsWith(`stunmesh-exec-${process.pid}-`)) ?? '';
    assert.equal((await stat(join(folder, own))).mode & 0o777, 0o700);
  });
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
