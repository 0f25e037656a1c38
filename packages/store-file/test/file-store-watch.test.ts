/** Watching a folder: renames, plain writes, removal, several keys, and faults that are told once. */
import assert from 'node:assert/strict';
import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode, type StunmeshError } from '@stunmesh/core/api';
import { createMemoryLogger } from '@stunmesh/core/testing';
import { free, KEY, openAt, scratch } from './folder.js';

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
  // That all is gone is news, too.
  await next(() => rm(path, { recursive: true }));
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
