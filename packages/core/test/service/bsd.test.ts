/** The services of FreeBSD and macOS: run and read as far as a Linux can. Neither rc(8) nor launchd is here. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { foldersOf } from '#src/config/folders.js';
import { isMissing, read, run, SERVICE } from './programs.js';

const RC = 'freebsd/stunmesh';

/** In the place of rc.subr(8): load_rc_config reads settings, run_rc_command does what rc.subr does with the script's names. */
const RC_SUBR = `
load_rc_config() { . "$FAKE/rc.conf"; }
run_rc_command() {
  case $1 in
    start)
      for file in $required_files; do [ -r "$file" ] || { echo "$file is not readable"; return 1; }; done
      "$start_precmd" || return 1
      echo "env $stunmesh_env umask $stunmesh_umask"
      echo "run $command \${stunmesh_flags:-} $command_args" ;;
    reload) "$reload_cmd" ;;
    checkconfig) "$checkconfig_cmd" ;;
    rcvar) eval "echo $rcvar=\\$$rcvar" ;;
  esac
}
`;

/** The script with a folder in the place of the system's; \`rcConf\` as /etc/rc.conf. */
function withScript(
  rcConf: string,
  use: (call: (word: string) => Promise<{ code: number; text: string }>, folder: string) => Promise<void>,
) {
  const folder = mkdtempSync(join(tmpdir(), 'rcd-'));
  const put = (name: string, text: string, mode = 0o644) => {
    writeFileSync(join(folder, name), text);
    chmodSync(join(folder, name), mode);
  };
  put('rc.subr', RC_SUBR);
  put('rc.conf', rcConf.replaceAll('FAKE', folder));
  put('config.yaml', '{}\n');
  put('stunmesh.js', '');
  put('node', '#!/bin/sh\necho "node $*"\n! grep -q wrong "$4"\n', 0o755);
  const script = read(RC)
    .replace('/etc/rc.subr', join(folder, 'rc.subr'))
    .replaceAll(/\/var\/(run|db)/g, `${folder}/var/$1`);
  put('stunmesh', script, 0o755);
  const call = (word: string) => run('env', [`FAKE=${folder}`, 'sh', join(folder, 'stunmesh'), word]);
  return use(call, folder).finally(() => rmSync(folder, { recursive: true }));
}

const SETTINGS = [
  ['enable', 'YES'],
  ['config', 'FAKE/config.yaml'],
  ['program', 'FAKE/stunmesh.js'],
  ['runtime', 'FAKE/node'],
  ['log', 'FAKE/log'],
].map(([name, value]) => `stunmesh_${name}="${value}"\n`);

test('rc.d: it is plain sh, and says to rcorder(8) and rc.subr(8) what they ask for', async () => {
  assert.deepEqual(await run('sh', ['-n', `${SERVICE}/${RC}`]), { code: 0, text: '' });
  const script = read(RC);
  assert.match(script, /^#!\/bin\/sh\n/);
  for (const line of ['# PROVIDE: stunmesh', '# REQUIRE: NETWORKING', '# KEYWORD: shutdown'])
    assert.ok(script.includes(`\n${line}\n`), line);
  assert.match(script, /^rcvar="stunmesh_enable"$/m);
  assert.match(script, /\nrun_rc_command "\$1"\n$/);
  // Every setting that its head names is one that it reads, and the other way round.
  const named = [...script.matchAll(/^# {3}(stunmesh_\w+) /gm)].map((match) => match[1]);
  const read_ = [...script.matchAll(/^: "\$\{(stunmesh_\w+):=/gm)].map((match) => match[1]);
  assert.deepEqual(
    read_.filter((name) => !named.includes(name)),
    ['stunmesh_umask', 'stunmesh_env'],
  );
  assert.deepEqual(
    named.filter((name) => !read_.includes(name)),
    [],
  );
  // rc.subr gives NAME_flags to `command`, which is daemon(8): arguments of stunmesh have another name.
  assert.doesNotMatch(script, /stunmesh_flags/);
  const { run: runDir, state } = foldersOf('freebsd');
  assert.ok(script.includes(`install -d -m 0700 ${runDir} ${state}`));
});

test('rc.d: it is off until it is switched on', async () => {
  await withScript('', async (call) => assert.equal((await call('rcvar')).text, 'stunmesh_enable=NO\n'));
});

test('rc.d: starting makes its folders, checks the configuration and hands all to daemon(8)', async () => {
  await withScript([...SETTINGS, 'stunmesh_args="--log-level debug"\n'].join(''), async (call, folder) => {
    const { code, text } = await call('start');
    assert.equal(code, 0, text);
    assert.match(text, /^node \S+\/stunmesh\.js config check \S+\/config\.yaml\n/);
    assert.match(text, /^env PATH=\S*\/usr\/local\/bin umask 077$/m);
    const line = /^run (.*)$/m.exec(text)?.[1]?.replaceAll(folder, '').replaceAll(/ +/g, ' ').trim();
    assert.equal(
      line,
      '/usr/sbin/daemon -f -H -r -R 5 -P /var/run/stunmesh.pid -p /var/run/stunmesh-child.pid -o /log -t stunmesh /node /stunmesh.js --config /config.yaml --log-level debug',
    );
    const modes = await run('stat', [
      '-c',
      '%a',
      `${folder}/var/run/stunmesh`,
      `${folder}/var/db/stunmesh`,
      `${folder}/log`,
    ]);
    assert.equal(modes.text, '700\n700\n600\n');
  });
});

test('rc.d: a wrong or missing configuration starts nothing', async () => {
  await withScript(SETTINGS.join(''), async (call, folder) => {
    writeFileSync(join(folder, 'config.yaml'), 'wrong');
    const wrong = await call('start');
    assert.notEqual(wrong.code, 0);
    assert.doesNotMatch(wrong.text, /^run /m);
    rmSync(join(folder, 'config.yaml'));
    assert.match((await call('start')).text, /config\.yaml is not readable/);
  });
});

test('rc.d: reload sends SIGHUP to stunmesh itself, after the configuration was checked', async () => {
  await withScript(SETTINGS.join(''), async (call, folder) => {
    const absent = await call('reload');
    assert.notEqual(absent.code, 0);
    assert.match(absent.text, /not running/);
    const heard = join(folder, 'heard');
    const serve = `trap 'echo HUP >${heard}; exit 0' HUP; echo $$ >${folder}/var/run/stunmesh-child.pid; while :; do read -r line <${folder}/fifo; done`;
    await run('mkdir', ['-p', join(folder, 'var/run')]);
    await run('mkfifo', [join(folder, 'fifo')]);
    const service = run('sh', ['-c', serve]);
    // The reader is there once somebody can write to it.
    await run('sh', ['-c', `echo >${folder}/fifo`]);
    writeFileSync(join(folder, 'config.yaml'), 'wrong');
    assert.notEqual((await call('reload')).code, 0, 'a wrong configuration reaches nobody');
    writeFileSync(join(folder, 'config.yaml'), '{}');
    assert.equal((await call('reload')).code, 0);
    await service;
    assert.equal(readFileSync(heard, 'utf8'), 'HUP\n');
  });
});

test('newsyslog: one entry with the fields of newsyslog.conf(5), for the files that the script has', () => {
  const lines = read('freebsd/newsyslog.conf')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  assert.equal(lines.length, 1);
  assert.deepEqual(lines[0]?.split(/\s+/), [
    '/var/log/stunmesh.log',
    '600',
    '5',
    '1000',
    '*',
    'JC',
    '/var/run/stunmesh.pid',
    '1',
  ]);
});

test('launchd: a property list that says what launchd.plist(5) knows', { skip: isMissing('python3') }, async () => {
  const parse = 'import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], "rb"))))';
  const { code, text } = await run('python3', ['-c', parse, `${SERVICE}/macos/stunmesh.plist`]);
  assert.equal(code, 0, text);
  const list = JSON.parse(text) as Record<string, unknown>;
  assert.deepEqual(Object.keys(list).toSorted(), [
    ...['EnvironmentVariables', 'ExitTimeOut', 'KeepAlive', 'Label', 'ProgramArguments', 'RunAtLoad'],
    ...['StandardErrorPath', 'StandardOutPath', 'ThrottleInterval', 'Umask'],
  ]);
  assert.equal(list['Label'], 'stunmesh');
  assert.deepEqual(list['ProgramArguments'], [
    ...['/usr/bin/env', 'node', '/usr/local/lib/stunmesh/stunmesh.js'],
    ...['--config', '/usr/local/etc/stunmesh/config.yaml'],
  ]);
  assert.deepEqual(list['KeepAlive'], { SuccessfulExit: false });
  assert.equal(list['RunAtLoad'], true);
  assert.equal(list['Umask'], 0o077);
  const { PATH = '' } = list['EnvironmentVariables'] as { PATH?: string };
  for (const folder of ['/opt/homebrew/bin', '/usr/local/bin', '/sbin']) assert.ok(PATH.split(':').includes(folder));
});
