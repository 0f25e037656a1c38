/** What the addon leaves behind: nothing, however its process or worker ends. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { release } from 'node:os';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  createLive,
  ENDINGS,
  expectEnding,
  expectNothingLost,
  expectWorkersGone,
} from '@stunmesh/core/testing/capture-lab';
import { cannotRun, inNamespace, run } from './namespace.js';

const options = { skip: cannotRun ?? false, timeout: 120_000 };
const LIVES = fileURLToPath(new URL('lives.js', import.meta.url));

const live = createLive(LIVES);

if (inNamespace(import.meta.url)) {
  before(() => {
    if (!cannotRun) run('ip link set lo up');
  });

  test('five hundred open and close cycles leak neither memory, descriptors nor threads', options, () => {
    // Each cycle has four sockets: a lost 64 KiB buffer, stack or packet each would be 128 MiB.
    expectNothingLost(live('cycles', process.env['STUNMESH_TEST_CYCLES'] ?? '500', { timeoutMs: 100_000 }), 4);
  });

  for (const ending of [...ENDINGS, { how: 'signal', status: 7, signal: null }])
    test(`a process that ends by "${ending.how}" with open sockets neither hangs nor crashes`, options, () =>
      expectEnding(live, ending),
    );

  test('an exception in a listener is an uncaught exception, and the socket goes on', options, () => {
    const { stdout, stderr, status } = live('listener');
    assert.equal(stdout, 'thrown 1, thrown 2, thrown 3\n', stderr);
    assert.equal(status, 0);
  });

  test('a socket may be closed inside its own listener', options, () => {
    const { stdout, stderr, status } = live('inside');
    assert.equal(stdout, 'closed\n', stderr);
    assert.equal(status, 0);
  });

  test('closing with a full queue neither hangs nor delivers afterwards', options, () => {
    const { stdout, stderr, status } = live('flood');
    assert.equal(stdout, '0\n', stderr);
    assert.equal(status, 0);
  });

  test('F44 of a flood of requests 2,000 a second are handed over, and answers beside it', options, () => {
    const { stdout, stderr, status } = live('requests', '10000');
    assert.equal(status, 0, stderr);
    const { count, ms } = JSON.parse(stdout) as { count: number; ms: number };
    // A quarter of a second's at once.
    assert.ok(count >= 100 && count <= 500 + 2 * ms + 10, `${count} in ${ms} ms`);
  });

  test('no bytes are no memory: what cannot be empty is refused, what can is not', options, () => {
    const { stdout, stderr } = live('empty');
    assert.equal(stdout, 'EINVAL EINVAL EINVAL EINVAL EDESTADDRREQ\n', stderr);
  });

  test('it works in workers, which may end without closing', options, () => {
    expectWorkersGone(live('workers'));
  });

  test('F39 without privileges opening says so and names the remedy; interfaces and news need none', options, () => {
    const { stdout, stderr, status } = live('nobody');
    const lines = stdout.trim().split('\n');
    assert.equal(status, 0, stderr);
    assert.equal(lines.length, 5, stdout);
    for (const line of lines.slice(0, 4))
      assert.match(line, /^ERR_CAPTURE_PERMISSION: .*root or the capability CAP_NET_RAW/);
    assert.equal(lines[4], 'true');
  });

  const noCapability =
    cannotRun ??
    (spawnSync('setpriv', ['--version']).status === 0 ? undefined : 'needs setpriv(1)') ??
    (markNeedsAdmin() ? 'needs Linux 5.17 or newer, where CAP_NET_RAW is enough for a mark' : false);

  test('CAP_NET_RAW alone is enough, with a firewall mark too', { ...options, skip: noCapability }, () => {
    const capability = ['--inh-caps=-all,+net_raw', '--ambient-caps=-all,+net_raw'];
    const user = ['--reuid=65534', '--regid=65534', '--clear-groups'];
    const { stdout, stderr } = spawnSync('setpriv', [...user, ...capability, process.execPath, LIVES, 'marked'], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    assert.equal(stdout, 'user 65534 refused \n', stderr);
  });
}

function markNeedsAdmin(): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  return major < 5 || (major === 5 && minor < 17);
}
