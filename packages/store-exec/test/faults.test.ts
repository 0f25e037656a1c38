import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '@stunmesh/core/api';
import { createMemoryLogger } from '@stunmesh/core/testing';
import { runChild } from '#src/child.js';
import { createScratch } from '#src/scratch.js';
import {
  clock,
  exists,
  failure,
  free,
  gone,
  KEY,
  nap,
  open,
  plugin,
  scratch,
  script,
  until,
  VALUE,
  zombies,
} from './fixture.js';

/** Generous for a busy machine, and far below the sleeps of the plugins here. */
const SOON_MS = 60_000;
const linux = process.platform === 'linux';

/** Runs `run` with a deadline of `ms`. */
async function within<T>(ms: number, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  using limit = clock.deadline(ms);
  return await run(limit.signal);
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const started = clock.now();
  await run();
  return clock.now() - started;
}

test('a shell plugin reads its request by `. /dev/stdin`, and /dev/stdout and /dev/stderr open by name', async (t) => {
  const logger = createMemoryLogger();
  const store = await plugin(
    t,
    'shell',
    '. /dev/stdin\necho noise >/dev/stderr\necho "$STUNMESH_KEY" >/dev/stdout',
    logger,
  );
  assert.equal(await store.get(KEY, free), KEY);
  assert.match(logger.text(), /debug.*noise/);
});

test('F31 a hung plugin ends with the deadline, and one beside it is not delayed', async (t) => {
  const hung = await plugin(t, 'exec', `exec sleep ${nap(7)}`);
  const good = await plugin(t, 'exec', `echo '{"success":true,"value":"ab"}'`);
  await good.get(KEY, free);
  let over = 0;
  const calls = Array.from({ length: 4 }, async () => {
    const error = await failure(within(1000, (signal) => hung.get(KEY, { signal })));
    over += 1;
    return error;
  });
  for (let i = 0; i < 3; i += 1) await good.get(KEY, free);
  assert.equal(over, 0, 'the good one waited for the hung one');
  const ms = await timed(async () => {
    for (const error of await Promise.all(calls)) assert.equal(error.code, 'ERR_DEADLINE');
  });
  assert.ok(ms < SOON_MS, `${ms} ms`);
  if (linux) await gone(nap(7));
});

test('F31 a plugin that ignores SIGTERM is killed, its whole group with it', async (t) => {
  if (!linux) return t.skip('needs /proc');
  const store = await plugin(
    t,
    'shell',
    `trap '' TERM\nsh -c "trap '' TERM; sleep ${nap(8)}; sleep ${nap(8)}" &\nsleep ${nap(8)}\nsleep ${nap(8)}`,
  );
  const ms = await timed(async () => {
    const error = await failure(within(300, (signal) => store.get(KEY, { signal })));
    assert.equal(error.code, 'ERR_DEADLINE');
  });
  assert.ok(ms < SOON_MS, `${ms} ms`);
  await gone(nap(8));
  assert.deepEqual(await zombies(), []);
});

test('F31 a grandchild that holds stdout delays nothing and is ended', async (t) => {
  if (!linux) return t.skip('needs /proc');
  const store = await plugin(t, 'shell', `sleep ${nap(9)} &\necho abcd`);
  const ms = await timed(async () => assert.equal(await store.get(KEY, free), 'abcd'));
  assert.ok(ms < SOON_MS, `${ms} ms`);
  await gone(nap(9));
  assert.deepEqual(await zombies(), []);
});

test('F31 a grandchild that left the group and holds stdout delays nothing and never reaches a later call', async (t) => {
  if (!linux) return t.skip('needs setsid');
  const mark = join(await scratch(t), 'mark');
  await writeFile(mark, '');
  const noisy = `trap "" PIPE; while [ -e ${mark} ]; do echo ffff; sleep 0.01; done`;
  const store = await plugin(
    t,
    'shell',
    `. /dev/stdin\nif [ "$STUNMESH_KEY" = ${KEY} ]; then setsid sh -c '${noisy}' 2>/dev/null & fi\necho abcd`,
  );
  const ms = await timed(async () => {
    // What the noisy one wrote in time is no value.
    await store.get(KEY, free).catch((error: unknown) => assert.ok(hasCode(error, 'ERR_EXEC_OUTPUT'), String(error)));
  });
  assert.ok(ms < SOON_MS, `${ms} ms`);
  for (let i = 0; i < 30; i += 1) assert.equal(await store.get('b'.repeat(40), free), 'abcd');
});

test('what a helper in the pipeline writes after the child has ended still counts', async (t) => {
  const store = await plugin(t, 'shell', '(sleep 0.1; echo abcd) &\nexit 0');
  assert.equal(await store.get(KEY, free), 'abcd');
});

test('F31 endless output to stdout or stderr is cut at 64 KiB and the plugin ended', async (t) => {
  for (const [stream, redirect] of [
    ['stdout', ''],
    ['stderr', '>&2'],
  ] as const) {
    const store = await plugin(t, 'exec', `exec cat /dev/zero ${redirect}`);
    const before = process.memoryUsage().rss;
    const ms = await timed(async () => {
      const error = await failure(store.get(KEY, free));
      assert.equal(error.code, 'ERR_EXEC_OUTPUT');
      assert.match(error.message, new RegExp(`65536 bytes to ${stream}`));
      assert.ok(error.message.length < 300);
    });
    assert.ok(ms < SOON_MS, `${ms} ms`);
    assert.ok(process.memoryUsage().rss - before < 50_000_000);
  }
  const fits = await plugin(t, 'shell', `head -c 65536 /dev/zero | tr '\\0' a`);
  assert.equal((await fits.get(KEY, free))?.length, 65_536);
});

test('garbage, silence and death by a signal are errors with a code', async (t) => {
  const code = async (body: string) => (await failure((await plugin(t, 'exec', body)).get(KEY, free))).code;
  assert.equal(await code('head -c 5000 /dev/urandom'), 'ERR_EXEC_OUTPUT');
  assert.equal(await code(':'), 'ERR_EXEC_OUTPUT');
  assert.equal(await code('kill -9 $$'), 'ERR_EXEC_FAILED');
  assert.equal(await code(`echo '{"success":true,"value":"ab"}'; exit 1`), 'ERR_EXEC_FAILED');
  assert.deepEqual(linux ? await zombies() : [], []);
});

test('a plugin that does not read its input is no failure, however long it is', async (t) => {
  const quick = await plugin(t, 'exec', `exec <&-; echo '{"success":true}'`);
  await quick.set(KEY, 'ab'.repeat(16_000), free);
  const slow = await plugin(t, 'shell', 'sleep 0.1');
  await slow.set(KEY, 'ab'.repeat(16_000), free);
});

test('F39 a program that is not there or not executable is named with the remedy, once and for all', async (t) => {
  const path = await script(t, '#!/bin/sh\n');
  await chmod(path, 0o644);
  const interpreter = await script(t, '#!/no/such/interpreter\n');
  for (const [command, expected] of [
    ['/no/such/program', /\/no\/such\/program: cannot be started.*full path.*ENOENT/],
    ['no-such-program-in-path', /no-such-program-in-path: cannot be started/],
    [interpreter, /interpreter/],
    [path, /chmod \+x.*EACCES/],
    [`${path}/below`, /ENOTDIR/],
    ['/bin/a\0b', /zero byte/],
  ] as const) {
    const error = await failure((await open(t, { type: 'exec', command })).get(KEY, free));
    assert.equal(error.code, 'ERR_EXEC_SPAWN');
    assert.equal(error.retry, 'never');
    assert.match(error.message, expected);
  }
});

test('close ends what is under way, waits for it, and refuses what comes after', async (t) => {
  const folder = await scratch(t);
  const command = await script(t, `#!/bin/sh\n: >${folder}/$$\nsleep ${nap(6)}\n`);
  const store = await open(t, { type: 'shell', command, parallel: 2 });
  const calls = [failure(store.get(KEY, free)), failure(store.set(KEY, VALUE, free))];
  await until(async () => (await readdir(folder)).length === 2);
  const ms = await timed(async () => store[Symbol.asyncDispose]());
  assert.ok(ms < SOON_MS, `${ms} ms`);
  for (const error of await Promise.all(calls)) assert.equal(error.code, 'ERR_CLOSED');
  if (linux) await gone(nap(6));
  assert.equal((await failure(store.get(KEY, free))).code, 'ERR_CLOSED');
});

test('F41 children die with a parent that exits in the middle of a call', async (t) => {
  if (!linux) return t.skip('needs /proc');
  const mark = join(await scratch(t), 'mark');
  const path = await script(t, `#!/bin/sh\n: >${mark}\nsleep ${nap(5)}\n`);
  const url = new URL('../dist/index.js', import.meta.url).href;
  const testing = import.meta.resolve('@stunmesh/core/testing');
  const folder = await scratch(t);
  const code = `
    import exec from ${JSON.stringify(url)};
    import { createMemoryLogger, createSystemClock } from ${JSON.stringify(testing)};
    const store = await exec.open({ type: 'shell', command: ${JSON.stringify(path)} }, { clock: createSystemClock(), logger: createMemoryLogger() });
    store.get('${KEY}', { signal: new AbortController().signal }).catch(() => {});
    process.stdin.on('data', () => process.exit(7));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['pipe', 'inherit', 'inherit'],
    env: { ...process.env, TMPDIR: folder },
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  await until(() => exists(mark));
  child.stdin.write('now');
  const status = await exited;
  assert.equal(status, 7);
  await gone(nap(5));
  assert.deepEqual(await readdir(folder), [], 'the temporary folder was left');
});

test('F31 300 calls, good and bad, leave no process, zombie or descriptor behind', async (t) => {
  if (!linux) return t.skip('needs /proc');
  const bodies = {
    good: `. /dev/stdin\necho abcd`,
    garbage: 'echo garbage; exit 3',
    background: `sleep ${nap(4)} >/dev/null 2>&1 &\necho abcd`,
  };
  const stores = await Promise.all(Object.values(bodies).map((body) => plugin(t, 'shell', body)));
  const missing = await open(t, { type: 'exec', command: '/no/such/program' });
  const round = async (calls: number) => {
    for (let i = 0; i < calls; i += 1) {
      const all = [...stores, missing].map((store) => store.get(KEY, free).catch((error: unknown) => error));
      const [good, garbage, background, none] = await Promise.all(all);
      assert.deepEqual([good, background], ['abcd', 'abcd']);
      assert.ok(hasCode(garbage, 'ERR_EXEC_FAILED') && hasCode(none, 'ERR_EXEC_SPAWN'));
    }
  };
  await round(3);
  const descriptors = async () => (await readdir('/proc/self/fd')).length;
  const before = await descriptors();
  await round(75);
  assert.ok((await descriptors()) <= before, `${before} descriptors became ${await descriptors()}`);
  assert.deepEqual(await zombies(), []);
  await gone(nap(4));
});

test('without mkfifo output comes through what Node gives, and without a temporary folder the remedy is named', async (t) => {
  using bare = createScratch(() => Promise.reject(new Error('no mkfifo')));
  const options = { args: ['-c', '. /dev/stdin; echo $A; echo err >&2'], env: {}, clock, ...free };
  const finished = await runChild({ ...options, command: '/bin/sh', input: 'A=5\n', scratch: bare });
  assert.deepEqual(finished, { exitCode: 0, stdout: '5\n', stderr: 'err\n' });
  if (process.getuid?.() !== 0) return t.skip('needs root to hide the temporary folders');
  // In a mount namespace of its own, once everything is imported: this project may itself stand in /tmp.
  const code = `
    import { execFileSync } from 'node:child_process';
    import exec from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
    import { createMemoryLogger, createSystemClock } from ${JSON.stringify(import.meta.resolve('@stunmesh/core/testing'))};
    const store = await exec.open({ type: 'shell', command: 'true' }, { clock: createSystemClock(), logger: createMemoryLogger() });
    for (const at of ['/tmp', '/dev/shm', '/run']) execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'none', at]);
    await store.get('${KEY}', { signal: new AbortController().signal }).catch((e) => process.stdout.write(e.code + ' ' + e.message));`;
  const said = execFileSync('unshare', ['-m', process.execPath, '--input-type=module', '-e', code], {
    env: { ...process.env, TMPDIR: '/tmp' },
    cwd: '/',
  });
  assert.match(String(said), /^ERR_EXEC_SPAWN .*\/tmp, \/dev\/shm, \/run.*TMPDIR/);
});
