/** FreeBSD's service: start, stop, restart and reload under stand-ins for rc.subr(8) and daemon(8) of 13, 14 and 15. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { lives, RC_SCRIPT, RELEASES, Service } from '../../freebsd/service-stand-in.js';
import { must, REPOSITORY, until } from '../lab/index.js';

const PROGRAM = join(REPOSITORY, 'test/fixtures/freebsd/service.mjs');
const SETTINGS = [
  'stunmesh_enable="YES"',
  'stunmesh_config="FAKE/config.yaml"',
  `stunmesh_script="${PROGRAM}"`,
  `stunmesh_runtime="${process.execPath}"`,
  'stunmesh_log="FAKE/log"',
];

/** Every setting that rc.subr(8) of 13 to 15 reads by the service's name. */
const TAKEN =
  'chdir chroot cpuset env env_file fib flags group groups limits login_class nice offcmd oomprotect prepend program setup svcj svcj_ipaddrs svcj_options umask user';

test('it is plain sh, and says to rcorder(8) and rc.subr(8) what they ask for', async () => {
  await must(undefined, ['sh', '-n', RC_SCRIPT]);
  const script = readFileSync(RC_SCRIPT, 'utf8');
  assert.match(script, /^#!\/bin\/sh\n/);
  for (const line of ['# PROVIDE: stunmesh', '# REQUIRE: NETWORKING', '# KEYWORD: shutdown'])
    assert.ok(script.includes(`\n${line}\n`), line);
  assert.match(script, /^rcvar="stunmesh_enable"$/m);
  assert.match(script, /\nrun_rc_command "\$1"\n$/);
});

test('every setting that its head names is one that it reads, and none is taken by rc.subr(8)', () => {
  const script = readFileSync(RC_SCRIPT, 'utf8');
  const named = [...script.matchAll(/^# {3}(stunmesh_\w+) /gm)].map((match) => match[1]);
  const set = [...script.matchAll(/^: "\$\{(stunmesh_\w+):?=/gm)].map((match) => match[1]);
  // The file mode of what it writes is meant for rc.subr.
  assert.deepEqual(
    set.filter((name) => !named.includes(name)),
    ['stunmesh_umask'],
  );
  assert.deepEqual(
    named.filter((name) => !set.includes(name)),
    [],
  );
  const taken = TAKEN.split(' ').map((name) => `stunmesh_${name}`);
  assert.deepEqual(
    named.filter((name) => taken.includes(name ?? '')),
    [],
  );
  const code = script.replaceAll(/^#.*$/gm, '');
  const assigned = [...code.matchAll(/\b(stunmesh_\w+)=/g)].map((match) => match[1] ?? '');
  assert.deepEqual(
    assigned.filter((name) => taken.includes(name)),
    [],
  );
});

test('it is off until it is switched on', async () => {
  await using service = new Service(15, []);
  assert.match((await service.call('rcvar')).text, /stunmesh_enable="NO"/);
  const start = await service.call('start');
  assert.match(start.text, /Cannot 'start' stunmesh\. Set stunmesh_enable to YES/);
  assert.equal(start.code, 0);
});

for (const release of RELEASES) {
  test(`${release}: it starts by daemon(8), with folders and log for root alone, and says that it runs`, async () => {
    await using service = new Service(release, [...SETTINGS, 'stunmesh_args="--log-level debug"']);
    const start = await service.call('start');
    assert.equal(start.code, 0, start.text);
    assert.match(start.text, /config\.yaml: valid\nStarting stunmesh\.\n/);
    const log = await service.logged(/runs/);
    assert.match(
      log,
      /runs --config \S+\/config\.yaml --log-level debug umask 77 jit 0 path \S*:\/usr\/local\/sbin:\/usr\/local\/bin$/m,
    );
    const mode = (name: string) => (statSync(service.path(name)).mode & 0o777).toString(8);
    assert.deepEqual(['var/run/stunmesh', 'var/db/stunmesh', 'log'].map(mode), ['700', '700', '600']);
    assert.match((await service.call('status')).text, /^stunmesh is running as pid \d+\.$/m);
    const again = await service.call('start');
    assert.equal(again.code, 1);
    assert.match(again.text, /already running/);
    assert.equal((await service.call('stop')).code, 0);
  });

  test(`${release}: it is over when stop returns, and its last lines are in the log`, async () => {
    await using service = new Service(release, SETTINGS);
    await service.call('start');
    await service.logged(/runs/);
    const pids = [service.pid(), service.pid('var/run/stunmesh.pid')];
    const stop = await service.call('stop');
    assert.equal(stop.code, 0, stop.text);
    assert.deepEqual(pids.map(lives), [false, false]);
    assert.match(service.log, /^\d+ ends\n\d+ has ended\n$/m);
    for (const name of ['stunmesh.pid', 'stunmesh-child.pid'])
      assert.ok(!existsSync(service.path(`var/run/${name}`)), name);
    const twice = await service.call('stop');
    assert.equal(twice.code, 1);
    assert.match(twice.text, /not running/);
  });

  test(`${release}: a restart with a wrong or missing configuration leaves what runs; with a right one it follows its end`, async () => {
    await using service = new Service(release, SETTINGS);
    await service.call('start');
    await service.logged(/runs/);
    const before = service.pid();
    service.configure('wrong');
    const wrong = await service.call('restart');
    assert.equal(wrong.code, 1, wrong.text);
    assert.match(wrong.text, /config\.yaml: not valid/);
    await must(undefined, ['mv', service.path('config.yaml'), service.path('away')]);
    const missing = await service.call('restart');
    assert.equal(missing.code, 1);
    assert.match(missing.text, /config\.yaml is not readable/);
    assert.ok(lives(before) && service.pid() === before, 'the same process');
    service.configure('right');
    const right = await service.call('restart');
    assert.equal(right.code, 0, right.text);
    const log = await service.logged(/has ended\n\d+ runs/);
    assert.equal(log.match(/ runs /g)?.length, 2);
    assert.equal((await service.call('stop')).code, 0);
  });

  test(`${release}: reload reaches stunmesh itself, and only with a configuration that is right`, async () => {
    await using service = new Service(release, SETTINGS);
    const absent = await service.call('reload');
    assert.equal(absent.code, 1);
    assert.match(absent.text, /not running/);
    await service.call('start');
    await service.logged(/runs/);
    service.configure('wrong');
    assert.equal((await service.call('reload')).code, 1);
    service.configure('right');
    assert.equal((await service.call('reload')).code, 0);
    const log = await service.logged(/reloads/);
    assert.equal(log.match(/reloads/g)?.length, 1);
    assert.equal((await service.call('stop')).code, 0);
  });

  test(`${release}: stop also ends a daemon(8) that waits to start a program again which fails`, async () => {
    await using service = new Service(release, SETTINGS);
    service.configure('fails');
    await service.call('start');
    await service.logged(/runs/);
    const child = service.pid();
    await until(() => !lives(child), { what: 'the end of the program' });
    const supervisor = service.pid('var/run/stunmesh.pid');
    const stop = await service.call('stop');
    assert.equal(stop.code, 0, stop.text);
    assert.ok(!lives(supervisor));
  });
}

test('a wrong or missing configuration starts nothing', async () => {
  await using service = new Service(13, SETTINGS);
  service.configure('wrong');
  const wrong = await service.call('start');
  assert.equal(wrong.code, 1);
  assert.match(wrong.text, /failed precmd routine/);
  assert.equal(service.log, '');
  assert.notEqual((await service.call('checkconfig')).code, 0);
});

test('stunmesh_env is for variables of the daemon: it goes before what the script has set', async () => {
  await using service = new Service(13, [...SETTINGS, 'stunmesh_env="BUN_JSC_useJIT=1 TZ=UTC"']);
  assert.equal((await service.call('start')).code, 0);
  assert.match(await service.logged(/runs/), /jit 1 path/);
  assert.equal((await service.call('stop')).code, 0);
});

test('a single executable is named as the runtime, with no script', async () => {
  const settings = SETTINGS.filter((line) => !/_(script|runtime)/.test(line));
  await using service = new Service(15, [...settings, 'stunmesh_runtime="FAKE/stunmesh"', 'stunmesh_script=""']);
  service.put('stunmesh', `#!/bin/sh\nexec ${process.execPath} ${PROGRAM} "$@"\n`);
  chmodSync(service.path('stunmesh'), 0o755);
  const start = await service.call('start');
  assert.equal(start.code, 0, start.text);
  assert.match(await service.logged(/runs/), /runs --config \S+\/config\.yaml/);
});
