/** What the addon leaves behind: nothing, however its process or worker ends; with and without sanitizers. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  createLive,
  ENDINGS,
  expectClean,
  expectEnding,
  expectNothingLost,
  expectWorkersGone,
  findSanitizer,
  type Resources,
  SANITIZED_LIVES,
} from '@stunmesh/core/testing/capture-lab';
import { cannotCapture, emulatedAddon, foreignAddon, inOwnNamespace, run, sanitizedAddon } from './addon-lab.js';

const options = { skip: cannotCapture ?? false, timeout: 170_000 };
const LIVES = fileURLToPath(new URL('lives-bsd.js', import.meta.url));

const live = createLive(LIVES);

if (inOwnNamespace(import.meta.url)) {
  const library = findSanitizer();
  const sanitized = { ...options, skip: options.skip || (library ? false : 'needs a C compiler with libasan') };
  let sanitizedPath = '';

  before(() => {
    if (cannotCapture) return;
    run('ip link set lo up');
    emulatedAddon();
    if (!sanitized.skip) sanitizedPath = sanitizedAddon();
  });

  test('six hundred open and close cycles leak neither memory, descriptors nor threads', options, () => {
    // Each cycle has a device with a buffer of 32 KiB: one lost in each would be 19 MiB.
    expectNothingLost(live('cycles', process.env['STUNMESH_TEST_CYCLES'] ?? '600', { timeoutMs: 160_000 }), 8);
  });

  for (const system of ['freebsd', 'macos'] as const)
    test(
      `cycles as on ${system} leave nothing, and closing inside a listener and with a full queue is safe`,
      options,
      () => {
        const addon = foreignAddon(system);
        expectNothingLost(live('cycles', '400', { addon, timeoutMs: 100_000 }), 8);
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

  for (const ending of ENDINGS)
    test(`a process that ends by "${ending.how}" with open devices neither hangs nor crashes`, options, () =>
      expectEnding(live, ending),
    );

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
    expectWorkersGone(live('workers'));
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

  for (const life of SANITIZED_LIVES)
    test(`sanitizers find nothing in "${life.name}${life.argument && ` ${life.argument}`}"`, sanitized, () =>
      expectClean(LIVES, life, { library: library ?? '', addon: sanitizedPath, own: /\b(sm|bpf|emulated)_\w+/ }),
    );
}
