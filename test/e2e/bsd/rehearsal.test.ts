/** The scenario for a real FreeBSD kernel, run here with commands that only keep books: its order, its report, its clean-up. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type DryRunResult, dryRun, parseTap } from '../../freebsd/dry-run.js';
import { REPOSITORY } from '../lab/index.js';

const FOLDER = join(REPOSITORY, 'test/freebsd');
const scripts = readdirSync(FOLDER).filter((name) => name.endsWith('.sh'));
const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

/** The place of the first call that matches, from `after` on; fails where there is none. */
function place({ calls }: DryRunResult, pattern: RegExp, after = 0): number {
  const index = calls.findIndex((call, i) => i >= after && pattern.test(call));
  assert.ok(index >= 0, `no call ${pattern} after ${after}: ${calls.slice(after, after + 5).join('; ')}`);
  return index;
}

test('the scripts are right for every sh', (t) => {
  assert.ok(scripts.length >= 3);
  for (const shell of ['sh', 'dash'].filter(has))
    for (const name of scripts) {
      const { status, stderr } = spawnSync(shell, ['-n', join(FOLDER, name)], { encoding: 'utf8' });
      assert.equal(status, 0, `${shell} -n ${name}: ${stderr}`);
    }
  if (!has('shellcheck')) return t.diagnostic('shellcheck is not installed');
  const args = ['-S', 'warning', '-x', '-s', 'sh', 'test/freebsd/run.sh'];
  const { status, stdout } = spawnSync('shellcheck', args, { cwd: REPOSITORY, encoding: 'utf8' });
  assert.equal(status, 0, stdout);
});

test('a whole run: every test passes, in an order that kernels allow, and nothing is left', async () => {
  const run = await dryRun();
  const results = parseTap(run.output);
  assert.equal(run.code, 0, run.output);
  assert.deepEqual(
    results.filter((line) => !line.startsWith('ok ')),
    [],
  );
  assert.ok(results.length >= 50, `${results.length} tests`);
  assert.deepEqual(run.left, []);

  const modules = place(run, /^host: kldload -n pf$/);
  const jail = place(run, /^host: jail -c name=pub host.hostname=pub path=\/ vnet persist allow.raw_sockets$/, modules);
  const moved = place(run, /^host: ifconfig epair0a vnet hosta$/, jail);
  const addressed = place(run, /^hosta: ifconfig epair0a inet 10\.1\.1\.2\/24 up$/, moved);
  const server = place(run, /^pub: node .*stun-server\.mjs 192\.0\.2\.1:3478 192\.0\.2\.2:3478$/, addressed);
  const addon = place(run, /^nata: node .*addon-selftest\.mjs .*stunmesh_capture\.node epair1a$/, server);
  const device = place(run, /^hosta: ifconfig wg create$/, addon);
  place(run, /^hosta: wg set wg0 listen-port 51820 private-key \S+\/a\.key$/, device);
  const rules = place(
    run,
    /^nata: pfctl -q -D wan=epair1a -D lan=epair0b -D host=10\.1\.1\.2 -f .*static-port\.conf$/,
    device,
  );
  assert.ok(place(run, /^nata: pfctl -q -e$/) > rules, 'rules first, then on');
  const measured = place(run, /^hosta: node .*mapping\.mjs/, rules);
  const daemon = place(run, /^hosta: node .*stunmesh\.js -c .*a\.yaml$/, measured);
  const ping = place(run, /^hosta: ping .*10\.99\.0\.2$/, daemon);
  const destroyed = place(run, /^hosta: ifconfig epair0a destroy$/, ping);
  const again = place(run, /^host: ifconfig epair create$/, destroyed);
  place(run, /^nata: pfctl -q .*static-port\.conf$/, again);
  for (const rules of ['unsolicited', 'default', 'forwarded', 'endpoint-independent'])
    place(run, new RegExp(`^nat[ab]: pfctl -q .*/${rules}\\.conf$`), again);
  const mapped = place(run, /^nata: pfctl -q .*\/mapped\.conf$/, again);
  place(run, /^nata: miniupnpd -d -f \S+\/miniupnpd\.conf /, mapped);
  const own = place(run, /^hosta: pfctl -q -D lan=epair0a -D host=10\.1\.1\.2 -f .*own-host\.conf$/, again);
  const joined = place(run, /^nata: ifconfig bridge0 addm epair\d+b addm epair\d+b$/, own);
  assert.ok(place(run, /^nata: ifconfig epair\d+b inet 10\.1\.1\.1 -alias$/) < joined, 'the bridge has the address');
  const lan = place(run, /^nata: pfctl -q -D wan=epair1a -D lan=bridge0 -D host=10\.1\.1\.2 -f .*\/lan\.conf$/, joined);
  const removed = place(run, /^host: jail -r hostb$/, lan);
  assert.ok(place(run, /^hosta: ifconfig wg0 destroy$/, own) < removed, 'devices go before their jails');
  place(run, /^host: ifconfig epair\d+a destroy$/, removed);
});

test('what a pf does not know is skipped, with the reason', async () => {
  const run = await dryRun({ env: { STUB_NEW_PF: '0' }, shell: has('dash') ? 'dash' : 'sh' });
  assert.equal(run.code, 0, run.output);
  const skipped = parseTap(run.output).filter((line) => line.startsWith('skip '));
  assert.deepEqual(skipped, ['skip endpoint-independent: a tunnel']);
  assert.match(run.output, /syntax error/);
});

test('where there is no miniupnpd the port mapping is skipped, with the reason', async () => {
  const run = await dryRun({ without: 'miniupnpd' });
  assert.equal(run.code, 0, run.output);
  const skipped = parseTap(run.output).filter((line) => line.startsWith('skip '));
  assert.deepEqual(skipped, ['skip port mapping: by miniupnpd']);
  assert.match(run.output, /# SKIP .*pkg install miniupnpd/);
  assert.doesNotMatch(run.calls.join('\n'), /mapped\.conf/);
});

test('F34 failures fail the run and bring evidence without keys, even of a daemon that logs one; nothing is left', async () => {
  const run = await dryRun({ env: { STUB_PING: '0', STUB_LEAK: '1' } });
  const results = parseTap(run.output);
  assert.equal(run.code, 1);
  const failed = results.filter((line) => line.startsWith('not ok '));
  assert.ok(failed.includes('not ok static-port: a ping goes through the tunnel'), run.output);
  assert.ok(failed.includes('not ok no private key is in the logs'));
  assert.ok(results.includes('ok SIGTERM ends daemon a with status 0'), 'the rest is tested all the same');
  for (const [place, command] of [
    ['hosta', 'ifconfig -a'],
    ['nata', 'pfctl -s states'],
    ['hostb', 'sockstat -46'],
    ['hosta', 'wg show wg0'],
  ])
    assert.ok(run.calls.includes(`${place}: ${command}`), command);
  assert.match(run.output, /public_key: "\[key\]"/, 'the last lines of the log are shown');
  assert.doesNotMatch(run.output, /[A-Za-z0-9+/]{43}=/);
  assert.deepEqual(run.left, []);
});

test('a jail that cannot be made ends it: the report says so, what was made is gone', async () => {
  const run = await dryRun({ env: { STUB_BAD_JAIL: 'hosta' } });
  assert.equal(run.code, 1);
  assert.match(run.output, /no room for smt\d+hosta[\s\S]*^Bail out! there is no network to test in$/m);
  assert.ok(run.calls.includes('host: jail -r pub'));
  assert.deepEqual(run.left, []);
});

test('a signal in the middle ends it and cleans up', async () => {
  let ended = false;
  const run = await dryRun({
    env: { STUB_PING: '0', PATIENCE: '10000' },
    onOutput(output, child) {
      if (ended || !output.includes('both daemons answer')) return;
      ended = true;
      child.kill('SIGTERM');
    },
  });
  assert.equal(run.code, 143, run.output);
  assert.match(run.output, /# cleaned up/);
  assert.deepEqual(run.left, []);
});

test('where it cannot run it says why, touches nothing, and exits with 2', async () => {
  const cases = [
    [{ STUB_SYSTEM: 'Linux' }, /^Bail out! this is Linux/],
    [{ STUB_RELEASE: '12.4-RELEASE' }, /12\.4-RELEASE is too old: 13/],
    [{ STUB_RELEASE: '9.3-RELEASE' }, /too old/],
    [{ STUB_UID: '1001' }, /as root/],
    [{ STUB_VIMAGE: '0' }, /VIMAGE/],
    [{ JS: 'no-such-runtime' }, /no-such-runtime.*pkg install node/],
  ] as const;
  for (const [env, reason] of cases) {
    const run = await dryRun({ env: { ...env } });
    assert.equal(run.code, 2, String(reason));
    assert.match(run.output, reason);
    assert.deepEqual(run.left, []);
    assert.ok(!run.calls.some((call) => /: (jail|ifconfig|kldload|pfctl|wg) /.test(call)));
  }
  const run = await dryRun({ bundle: false });
  assert.equal(run.code, 2);
  assert.match(run.output, /no bundle in/);
});
