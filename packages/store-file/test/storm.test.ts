/** Folders in which much happens: what is not ours costs nothing, and a storm is left alone (F76). */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { linkSync } from 'node:fs';
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createMemoryLogger, createSystemClock } from '@stunmesh/core/testing';
import fileStore from '#src/index.js';

const KEY = 'a'.repeat(40);
const free = { signal: new AbortController().signal };
const clock = createSystemClock();
const MIB = 1_048_576;

async function watching(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'store-file-'));
  const logger = createMemoryLogger();
  const store = await fileStore.open({ path: folder }, { clock, logger });
  t.after(async () => {
    await store[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });
  let changes = 0;
  const change = () => {
    changes += 1;
  };
  await store.watch?.([KEY], { change, fault() {} }, free);
  const settled = async () => {
    for (let before = -1; before !== changes; await clock.sleep(100)) before = changes;
  };
  await settled();
  return { folder, logger, store, settled, count: () => changes };
}

test('a file that is named like the folder makes nobody read anything again; the watch goes on', async (t) => {
  const { folder, store, settled, count } = await watching(t);
  const [namesake, before] = [join(folder, basename(folder)), count()];
  for (let n = 0; n < 20; n += 1) {
    await writeFile(namesake, String(n));
    await utimes(namesake, n, n);
    await clock.sleep(5);
  }
  await settled();
  assert.equal(count(), before);
  await store.set(KEY, 'abcd', free);
  await settled();
  assert.ok(count() > before, 'a change was not heard any more');
});

test('F76 a storm of changes is left alone: few reads, quick and small meanwhile, and afterwards the key is read once', async (t) => {
  const { folder, logger, settled, count } = await watching(t);
  const [before, rss] = [count(), process.memoryUsage().rss];
  // Names of records that nobody asked for, a namesake of the folder, and the one that is watched.
  const code = `
    const fs = require('node:fs');
    const [folder, namesake, key] = process.argv.slice(1);
    // Written through open files: on a busy machine too that is far more than anybody can follow.
    const names = [namesake, key, ...Array.from({ length: 200 }, (_, n) => n.toString(16).padStart(40, '0'))];
    const files = names.map((name) => fs.openSync(folder + '/' + name, 'w'));
    for (let n = 0; ; n += 1) {
      fs.writeSync(files[n % files.length], 'ab', 0);
    }`;
  const storm = spawn(process.execPath, ['-e', code, folder, basename(folder), KEY], { stdio: 'inherit' });
  let cpuMs = Number.POSITIVE_INFINITY;
  const over = new Promise((resolve) => storm.once('exit', resolve));
  try {
    const limit = clock.now() + 20_000;
    while (!/too many changes/.test(logger.text()) && clock.now() < limit) await clock.sleep(100);
    // Processor time, since the storm itself and other work may take the wall clock's.
    const used = process.cpuUsage();
    await clock.sleep(1000);
    const { user, system } = process.cpuUsage(used);
    cpuMs = (user + system) / 1000;
  } finally {
    storm.kill('SIGKILL');
    await over;
  }
  const told = count() - before;
  const grown = process.memoryUsage().rss - rss;
  t.diagnostic(
    `${told} changes told, ${Math.round(cpuMs)} ms of processor time in a second of it, ${Math.round(grown / MIB)} MiB more`,
  );
  assert.match(logger.text(), /too many changes in the folder/);
  assert.ok(told < 60, `${told} changes were told`);
  assert.ok(cpuMs < 250, `a second of the storm cost ${cpuMs} ms of processor time`);
  assert.ok(grown < 60 * MIB, `${grown} bytes more`);
  await settled();
});

test('F76 a folder of 30,000 files delays no write', async (t) => {
  const { folder, store } = await watching(t);
  // Links, and removed by rm(1): making and removing so many files costs more than the test itself.
  await writeFile(join(folder, 'other'), '');
  for (let n = 1; n < 30_000; n += 1) linkSync(join(folder, 'other'), join(folder, `other-${n}`));
  t.after(() => execFileSync('rm', ['-rf', folder]));
  // Processor time, since other work may take the wall clock's.
  const used = process.cpuUsage();
  await store.set(KEY, 'abcd', free);
  const { user, system } = process.cpuUsage(used);
  const cpuMs = (user + system) / 1000;
  assert.equal(await store.get(KEY, free), 'abcd');
  t.diagnostic(`a write cost ${Math.round(cpuMs)} ms of processor time`);
  assert.ok(cpuMs < 2_000, `a write cost ${cpuMs} ms of processor time`);
});
