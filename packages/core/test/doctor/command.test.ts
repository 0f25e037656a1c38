/** The command `stunmesh doctor` as it is called: flags, exit status, and colour on a terminal alone. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import type { Report } from '#src/doctor/report.js';
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

const doctor = (...args: string[]) => run(process.execPath, [MAIN, 'doctor', ...args]);

test('a missing configuration is a finding: exit status 2, and the rest is examined all the same', async (t) => {
  const folder = await temporaryFolder(t);
  const { code, stdout, stderr } = await doctor('--config-dir', folder);
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
  const { code, stdout } = await run(process.execPath, [MAIN, '-c', join(folder, 'no.yaml'), 'doctor', '--json']);
  const report = JSON.parse(stdout) as Report;
  assert.deepEqual([code, report.exitStatus, report.version, report.verdict], [2, 2, 1, 'fault']);
  assert.equal(report.findings[0]?.code, 'ERR_CONFIG_NOT_FOUND');
});

test('help tells what is written, and the exit status; an unknown flag is refused', async () => {
  const help = await doctor('--help');
  assert.equal(help.code, 0);
  for (const word of ['--json', '--device', '--no-store-write', 'Exit status']) assert.ok(help.stdout.includes(word));
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
