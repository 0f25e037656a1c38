/** The command `stunmesh doctor` as it is called: flags, exit status, and colour on a terminal alone, where it is a process. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import type { Report } from '#src/doctor/report.js';
import { callHere } from '../cli/call-here.js';
import { fixturePath, temporaryFolder } from '../config/fixtures.js';

const MAIN = fixturePath('../../../packages/core/dist/cli/main.js');

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(file: string, argv: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Result> {
  return new Promise((resolve) => {
    execFile(file, [...argv], { env: { ...process.env, ...env } }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr }),
    );
  });
}

const doctor = (...args: string[]) => callHere(['doctor', ...args], process.cwd(), process.env);

test('a missing configuration is a finding: exit status 2, and the rest is examined all the same', async (t) => {
  const folder = await temporaryFolder(t);
  const { code, stdout, stderr } = await run(process.execPath, [MAIN, 'doctor', '--config-dir', folder]);
  assert.equal(code, 2);
  assert.equal(stderr, '');
  assert.match(stdout, /^Configuration\n {2}fault {4}no configuration file found/);
  assert.match(stdout, /do: write one by `stunmesh init`/);
  assert.match(stdout, /^Privileges$/m);
  assert.match(stdout, /Exit status 2\.\n$/);
  assert.equal(stripVTControlCharacters(stdout), stdout, 'no colour in a pipe');
});

test('--json is one object, -c may stand before the command too', async (t) => {
  const folder = await temporaryFolder(t);
  const { code, stdout } = await callHere(['-c', join(folder, 'no.yaml'), 'doctor', '--json'], folder, process.env);
  const report = JSON.parse(stdout) as Report;
  assert.deepEqual([code, report.exitStatus, report.version, report.verdict], [2, 2, 1, 'fault']);
  assert.equal(report.findings[0]?.code, 'ERR_CONFIG_NOT_FOUND');
});

test('help tells what is written, and the exit status; an unknown flag is refused', async () => {
  const help = await doctor('--help');
  assert.equal(help.code, 0);
  for (const word of ['[device] [peer]', '--json', '--no-store-write', 'Exit status'])
    assert.ok(help.stdout.includes(word));
  assert.ok(
    help.stdout.split('\n').every((line) => line.length <= 80),
    help.stdout,
  );
  assert.equal((await doctor('--jsn')).code, 2);
});

test('a terminal gets colours, unless NO_COLOR says otherwise', async (t) => {
  if (spawnSync('script', ['--version']).status !== 0) return t.skip('needs script(1) of util-linux');
  const folder = await temporaryFolder(t);
  const command = `stty cols 80; ${process.execPath} ${MAIN} doctor --config-dir ${folder}`;
  const on = (env: NodeJS.ProcessEnv) => run('script', ['-q', '-e', '-c', command, '/dev/null'], env);
  const coloured = await on({ NO_COLOR: '' });
  const plain = await on({ NO_COLOR: '1' });
  assert.equal(coloured.code, 2);
  assert.ok(coloured.stdout.includes('\u001b[31mfault'));
  assert.equal(stripVTControlCharacters(plain.stdout), plain.stdout);
  const lines = stripVTControlCharacters(coloured.stdout).split('\r\n');
  assert.ok(
    lines.every((line) => line.length <= 80),
    lines.join('\n'),
  );
});

test('a device or peer that the configuration does not have is refused with what may be meant', async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, 'config.yaml');
  const key = Buffer.alloc(32, 7).toString('base64');
  await writeFile(
    file,
    `plugins: { main: { type: builtin, name: file, path: ${folder} } }
interfaces: { wgx0: { peers: { site-b: { public_key: ${key}, plugin: main } } } }
`,
  );
  const cases: readonly (readonly [args: readonly string[], said: RegExp])[] = [
    [['wgx'], /no interface "wgx"; did you mean "wgx0"\?/],
    [['--device', 'office'], /no interface "office"; it has wgx0/],
    [['wgx0', 'site-a'], /"wgx0" has no peer "site-a"; did you mean "site-b"\?/],
  ];
  for (const [args, said] of cases) {
    const { code, stdout, stderr } = await doctor('-c', file, ...args);
    assert.deepEqual([code, stdout], [2, ''], args.join(' '));
    assert.match(stderr, said);
  }
  for (const peer of ['site-b', key]) {
    const { stdout } = await doctor('-c', file, 'wgx0', peer, '--no-store-write', '--json');
    assert.match((JSON.parse(stdout) as Report).findings[0]?.text ?? '', /valid \(1 interface/);
  }
});
