/** What the addon leaves behind: nothing, however its process or worker ends; with and without sanitizers. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cannotCapture, emulatedAddon, foreignAddon, inOwnNamespace, run, sanitizedAddon } from './addon-lab.js';

const options = { skip: cannotCapture ?? false, timeout: 170_000 };
const LIVES = fileURLToPath(new URL('lives-bsd.js', import.meta.url));

/** With a small young generation, which otherwise grows by itself and hides what is lost. */
const FLAGS = ['--expose-gc', '--max-semi-space-size=1'];

function live(name: string, argument = '', { timeout = 30_000, addon = '' } = {}) {
  const env = addon === '' ? process.env : { ...process.env, STUNMESH_TEST_ADDON: addon };
  return spawnSync(process.execPath, [...FLAGS, LIVES, name, argument], { encoding: 'utf8', timeout, env });
}

interface Resources {
  readonly rssBytes: number;
  readonly descriptors: readonly string[];
  readonly threads: number;
}

/** The sanitizer's library, which must come before all others in a process that was not built with it. */
function findLibrary(): string | undefined {
  const found = spawnSync('cc', ['-print-file-name=libasan.so'], { encoding: 'utf8' });
  const file = found.status === 0 ? found.stdout.trim() : '';
  return path.isAbsolute(file) && existsSync(file) ? file : undefined;
}

if (inOwnNamespace(import.meta.url)) {
  const library = findLibrary();
  const sanitized = { ...options, skip: options.skip || (library ? false : 'needs a C compiler with libasan') };
  let sanitizedPath = '';

  before(() => {
    if (cannotCapture) return;
    run('ip link set lo up');
    emulatedAddon();
    if (!sanitized.skip) sanitizedPath = sanitizedAddon();
  });

  test('six hundred open and close cycles leak neither memory, descriptors nor threads', options, () => {
    const { stdout, stderr, status } = live('cycles', process.env['STUNMESH_TEST_CYCLES'] ?? '600', {
      timeout: 160_000,
    });
    assert.equal(status, 0, stderr);
    const found = JSON.parse(stdout) as { before: Resources; after: Resources };
    assert.deepEqual(found.after.descriptors, found.before.descriptors);
    assert.equal(found.after.threads, found.before.threads);
    // Each cycle has a device with a buffer of 32 KiB: one lost in each would be 19 MiB.
    const grown = (found.after.rssBytes - found.before.rssBytes) / 2 ** 20;
    assert.ok(grown < 8, `grew by ${grown.toFixed(1)} MiB`);
  });

  for (const system of ['freebsd', 'macos'] as const)
    test(
      `cycles as on ${system} leave nothing, and closing inside a listener and with a full queue is safe`,
      options,
      () => {
        const addon = foreignAddon(system);
        const { stdout, stderr, status } = live('cycles', '400', { addon, timeout: 100_000 });
        assert.equal(status, 0, stderr);
        const found = JSON.parse(stdout) as { before: Resources; after: Resources };
        assert.deepEqual(found.after.descriptors, found.before.descriptors);
        assert.equal(found.after.threads, found.before.threads);
        const grown = (found.after.rssBytes - found.before.rssBytes) / 2 ** 20;
        assert.ok(grown < 8, `grew by ${grown.toFixed(1)} MiB`);
        assert.equal(live('inside', '', { addon }).stdout, 'closed after 1\n');
        assert.equal(live('flood', '', { addon }).stdout, '0\n');
      },
    );

  test('a device that is forgotten is closed', options, () => {
    const { stdout, stderr, status } = live('forgotten', '200');
    assert.equal(status, 0, stderr);
    const found = JSON.parse(stdout) as { before: Resources; after: Resources };
    assert.deepEqual(found.after.descriptors, found.before.descriptors);
  });

  for (const [how, status, signal] of [
    ['exit', 0, null],
    ['throw', 1, null],
    ['kill', null, 'SIGTERM'],
  ] as const)
    test(`a process that ends by "${how}" with open devices neither hangs nor crashes`, options, () => {
      for (let i = 0; i < 2; i += 1) {
        const result = live('exit', how);
        assert.equal(result.stdout, 'heard\n', result.stderr);
        assert.equal(result.signal, signal);
        assert.equal(result.status, status);
        if (how !== 'throw') assert.equal(result.stderr, '');
      }
    });

  test('an exception in a listener is an uncaught exception, and the device goes on', options, () => {
    const { stdout, stderr, status } = live('listener');
    assert.equal(stdout, 'thrown 1, thrown 2, thrown 3\n', stderr);
    assert.equal(status, 0);
  });

  test('a device may be closed inside its own listener', options, () => {
    const { stdout, stderr, status } = live('inside');
    assert.equal(stdout, 'closed after 1\n', stderr);
    assert.equal(status, 0);
  });

  test('closing with a full queue neither hangs nor delivers afterwards', options, () => {
    const { stdout, stderr, status } = live('flood');
    assert.equal(stdout, '0\n', stderr);
    assert.equal(status, 0);
  });

  test('it works in workers, which may end without closing', options, () => {
    const { stdout, stderr, status } = live('workers');
    const [heard, counts = ''] = stdout.split('\n');
    assert.equal(heard, 'heard heard heard heard heard heard', stderr);
    assert.equal(status, 0);
    assert.ok((JSON.parse(counts) as { threads: number }).threads <= 12, counts);
  });

  test('F39 without privileges opening says so; interfaces need none', options, () => {
    const { stdout, stderr, status } = live('nobody');
    assert.equal(status, 0, stderr);
    const [device, socket, interfaces] = stdout.split('\n');
    assert.match(device ?? '', /open: EACCES/);
    assert.match(socket ?? '', /socket: EPERM/);
    assert.equal(interfaces, 'true');
  });

  const bun = fileURLToPath(new URL('../../../node_modules/@oven/bun-linux-x64/bin/bun', import.meta.url));
  const underBun = { ...options, skip: options.skip || (existsSync(bun) ? false : 'needs @oven/bun-linux-x64') };

  for (const [name, argument, heard] of [
    ['cycles', '300', /"threads":\d+/],
    ['listener', '', /^thrown 1, thrown 2, thrown 3\n$/],
    ['inside', '', /^closed after 1\n$/],
    ['workers', '', /^heard heard heard heard heard heard\n/],
  ] as const)
    test(`it works under Bun: ${name}`, underBun, () => {
      const { stdout, stderr, status } = spawnSync(bun, [LIVES, name, argument], { encoding: 'utf8', timeout: 60_000 });
      assert.match(stdout, heard, stderr);
      assert.equal(status, 0);
      if (name !== 'cycles') return;
      const found = JSON.parse(stdout) as { before: Resources; after: Resources };
      assert.deepEqual(found.after.descriptors, found.before.descriptors);
    });

  for (const [name, argument, status] of [
    ['tidy', '', 0],
    ['exit', 'exit', 0],
    ['exit', 'throw', 1],
    ['workers', '2', 0],
  ] as const)
    test(`sanitizers find nothing in "${name}${argument && ` ${argument}`}"`, sanitized, () => {
      const result = spawnSync(process.execPath, ['--expose-gc', LIVES, name, argument], {
        encoding: 'utf8',
        timeout: 160_000,
        env: {
          ...process.env,
          STUNMESH_TEST_ADDON: sanitizedPath,
          LD_PRELOAD: library ?? '',
          // Node leaves things of its own behind at its end; only frames of the addon count. process.exit() tidies nothing up.
          ASAN_OPTIONS: `detect_leaks=${name === 'exit' ? 0 : 1}:exitcode=0:abort_on_error=0:halt_on_error=0`,
          UBSAN_OPTIONS: 'print_stacktrace=1',
        },
      });
      assert.equal(result.status, status, result.stderr);
      if (name === 'tidy') assert.match(result.stdout, /thrown 1, thrown 2, thrown 3\n$/);
      const text = result.stdout + result.stderr;
      assert.doesNotMatch(text, /ERROR: AddressSanitizer|runtime error:|Sanitizer:DEADLYSIGNAL/);
      assert.doesNotMatch(text, /\b(sm|bpf|emulated)_\w+|capture\.c|stunmesh_\w+\.h/, 'frames of the addon in a leak');
    });
}
