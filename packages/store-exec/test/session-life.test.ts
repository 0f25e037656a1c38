/** How a session ends, who is not a session, and watching. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { clock, failure, free, gone, KEY, nap, open, scratch, until, VALUE, zombies } from './fixture.js';
import { KEEPS, openSession1, scripted } from './session-fixture.js';

const linux = process.platform === 'linux';
const key = (n: number): string => n.toString(16).padStart(40, '0');

test('F41 closing ends input first and lets it finish; one that stays is ended with its group', async (t) => {
  const polite = await scripted(
    t,
    KEEPS,
    { session: true },
    `process.on('exit', () => { if (!once) appendFileSync(folder + '/bye', 'x'); });`,
  );
  const store = await openSession1(t, polite.path);
  await store.set(KEY, VALUE, free);
  await store[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  assert.equal(await readFile(join(polite.folder, 'bye'), 'utf8'), 'x');
  assert.equal((await failure(store.get(KEY, free))).code, 'ERR_CLOSED');

  const stubborn = await scripted(
    t,
    KEEPS,
    { session: true },
    `if (!once) { process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); const { spawn } = await import('node:child_process'); spawn('sleep', ['${nap(41)}'], { stdio: 'inherit' }); }`,
  );
  const other = await openSession1(t, stubborn.path);
  await other.set(KEY, VALUE, free);
  const started = clock.now();
  await other[Symbol.asyncDispose]();
  assert.ok(clock.now() - started < 1500, 'the host waits 1.5 s for a store');
  if (linux) await gone(nap(41));
  if (linux) assert.deepEqual(await zombies(), []);
});

test('calls under way when the store is closed fail with ERR_CLOSED', async (t) => {
  const { path } = await scripted(t, ';');
  const store = await openSession1(t, path);
  await store.describe?.(free);
  const calls = [store.get(KEY, free), store.set(key(1), VALUE, free)].map(failure);
  await store[Symbol.asyncDispose]();
  for (const error of await Promise.all(calls)) assert.equal(error.code, 'ERR_CLOSED');
});

test('a program of protocol 0 is found out by one describe and never sees more; without "protocol: 1" it sees none', async (t) => {
  const folder = await scratch(t);
  const command = fileURLToPath(new URL('../examples/folder-store-json.sh', import.meta.url));
  const store = await open(t, { type: 'exec', protocol: 1, command, args: [folder] });
  for (const call of [() => store.get(KEY, free), () => store.set(KEY, VALUE, free)]) {
    const error = await failure(call());
    assert.deepEqual([error.code, error.retry], ['ERR_PLUGIN_INVALID', 'never']);
    assert.match(error.message, /leave out "protocol: 1"/);
  }
  assert.deepEqual(await readdir(folder), []);
  for (const protocol of [undefined, 0] as const) {
    const old = await open(t, {
      type: 'exec',
      command,
      args: [folder],
      ...(protocol === undefined ? {} : { protocol }),
    });
    await old.set(KEY, VALUE, free);
    assert.equal(await old.get(KEY, free), VALUE);
    assert.equal(old.describe, undefined);
  }
  await assert.rejects(open(t, { type: 'shell', protocol: 1, command }), { code: 'ERR_CONFIG_INVALID' });
});

test('watch: changes arrive, a disposed watch is silent, and after a restart whatever is watched is looked at again', async (t) => {
  const { path, folder } = await scripted(
    t,
    `if (action === 'watch') { watched = request.keys; appendFileSync(folder + '/watches', watched.length + '\\n'); answer({}); }
     else if (action === 'set') { answer({}); for (const k of [key, key]) send({ event: 'change', key: k, value: k === key ? value : null }); }
     else process.exit(5);`,
    { session: true, watch: true },
    'let watched = [];',
  );
  const store = await openSession1(t, path);
  const heard: string[] = [];
  const faults: string[] = [];
  const watch = await store.watch?.(
    [KEY, key(1)],
    {
      change: (name, value) => void heard.push(`${name.slice(-1)}${value ?? ''}`),
      fault: (e) => void faults.push(e.code),
    },
    free,
  );
  await store.set(KEY, 'abcd', free);
  await store.set(key(7), 'abcd', free);
  await until(async () => heard.length === 2);
  assert.deepEqual(heard.splice(0), ['aabcd', 'aabcd']);
  await failure(store.get(KEY, free));
  await until(async () => heard.length === 2);
  assert.deepEqual(heard.splice(0).sort(), ['1', 'a']);
  assert.deepEqual(faults, ['ERR_EXEC_FAILED']);
  await watch?.[Symbol.asyncDispose]();
  await store.set(KEY, 'abcd', free);
  assert.deepEqual(heard, []);
  assert.deepEqual((await readFile(join(folder, 'watches'), 'utf8')).trim().split('\n'), ['2', '2', '0']);
});

test('a plugin that cannot watch or delete: the watch is inert, delete says so, and closing is fine', async (t) => {
  const { path } = await scripted(t, KEEPS);
  const store = await openSession1(t, path);
  const watch = await store.watch?.([KEY], { change: () => assert.fail(), fault: () => assert.fail() }, free);
  assert.equal(watch?.incomplete, 'the program tells of no changes');
  await store.set(KEY, VALUE, free);
  await watch?.[Symbol.asyncDispose]();
  assert.match((await failure(store.delete?.(KEY, free) ?? Promise.resolve())).message, /has no delete/);
});
