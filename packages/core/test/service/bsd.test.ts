/** The service files of FreeBSD and macOS, read; test/e2e/bsd/service.test.ts runs the rc.d script. Neither rc(8) nor launchd is here. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foldersOf } from '#src/config/folders.js';
import { isMissing, read, run, SERVICE } from './programs.js';

test('rc.d: it makes the folders that the daemon looks for on FreeBSD, and reads its configuration there', () => {
  const script = read('freebsd/stunmesh');
  const { config, run: runDir, state } = foldersOf('freebsd');
  assert.ok(script.includes(`install -d -m 0700 ${runDir} ${state}`));
  assert.ok(script.includes(`stunmesh_config:=${config[0]}/config.yaml`));
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
