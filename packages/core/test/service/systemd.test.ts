/** The systemd units: accepted by systemd itself, and as confined as they claim. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isMissing, read, run } from './programs.js';

const UNITS = ['stunmesh.service', 'stunmesh-stun-server.service'];
const skip = isMissing('systemd-analyze');

/** A copy that starts a program which is there. */
async function copy(t: TestContext, unit: string, change = (text: string) => text): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'stunmesh-unit-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const path = join(dir, unit);
  await writeFile(path, change(read(`systemd/${unit}`)).replace('/usr/bin/stunmesh', '/bin/true'));
  return path;
}

const settings = (unit: string): ReadonlyMap<string, readonly string[]> => {
  const found = new Map<string, string[]>();
  for (const [, key = '', value = ''] of read(`systemd/${unit}`).matchAll(/^(\w+)=(.*)$/gm))
    found.set(key, [...(found.get(key) ?? []), value]);
  return found;
};

for (const unit of UNITS) {
  test(`${unit}: systemd-analyze verify has nothing to say`, { skip }, async (t) => {
    // What is commented out is meant to be switched on.
    for (const change of [(text: string) => text, (text: string) => text.replace(/^#(?=[A-Z]\w+=)/gm, '')]) {
      const { code, text } = await run('systemd-analyze', ['verify', '--man=no', await copy(t, unit, change)]);
      assert.deepEqual({ code, text }, { code: 0, text: '' });
    }
    const broken = await copy(t, unit, (text) => text.replace('NoNewPrivileges', 'NoNewPrivilege'));
    assert.match((await run('systemd-analyze', ['verify', '--man=no', broken])).text, /NoNewPrivilege/);
  });
}

for (const [unit, most] of [
  ['stunmesh.service', 3],
  ['stunmesh-stun-server.service', 1.5],
] as const)
  test(`${unit}: an exposure of at most ${most} of 10`, { skip }, async (t) => {
    const args = ['security', '--offline=true', '--no-pager', await copy(t, unit)];
    const { text } = await run('systemd-analyze', args);
    const level = /Overall exposure level for \S+: ([\d.]+)/.exec(text)?.[1];
    assert.ok(Number(level) <= most, `${level}\n${text}`);
  });

test('F76 the daemon: told when it runs, reloaded by SIGHUP, bounded in memory, two capabilities, a read-only system, credentials as an example', () => {
  const unit = settings('stunmesh.service');
  for (const [key, value] of [
    ['Type', 'notify'],
    ['NotifyAccess', 'all'],
    ['ExecReload', '/bin/kill -HUP $MAINPID'],
    ['Restart', 'on-failure'],
    ['CapabilityBoundingSet', 'CAP_NET_ADMIN CAP_NET_RAW'],
    ['ProtectSystem', 'strict'],
    ['RuntimeDirectory', 'stunmesh'],
    ['StateDirectory', 'stunmesh'],
    ['MemoryMax', '512M'],
    ['OOMPolicy', 'continue'],
  ])
    assert.deepEqual(unit.get(key ?? ''), [value], key);
  assert.match(read('systemd/stunmesh.service'), /^#LoadCredential=redis-password:\/etc\/stunmesh\/redis-password$/m);
  // JavaScript is compiled while it runs: with this Node does not start.
  for (const name of UNITS) assert.equal(settings(name).has('MemoryDenyWriteExecute'), false);
});

test('the STUN server: no capability, no user, nothing to write', () => {
  const unit = settings('stunmesh-stun-server.service');
  assert.deepEqual(unit.get('CapabilityBoundingSet'), ['']);
  assert.deepEqual(unit.get('DynamicUser'), ['yes']);
  for (const key of ['StateDirectory', 'ReadWritePaths', 'RuntimeDirectory']) assert.equal(unit.has(key), false, key);
});
