import assert from 'node:assert/strict';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Command } from 'commander';
import type { StunmeshError } from '#src/api/errors.js';
import { addConfigCommand } from '#src/cli/config.js';
import { fixturePath, temporaryFolder } from '../config/fixtures.js';

/** Runs `stunmesh ARGS` in a folder with every-mistake.yaml, and good.yaml. */
async function run(t: TestContext, args: readonly string[], withGlobalOptions = false) {
  const cwd = await temporaryFolder(t);
  await copyFile(fixturePath('every-mistake.yaml'), join(cwd, 'every-mistake.yaml'));
  await writeFile(join(cwd, 'good.yaml'), 'stun: {addresses: a.b:1}\n');
  await writeFile(join(cwd, 'config.yml'), 'capture: bsd\n');
  const output = { stdout: '', stderr: '' };
  const program = new Command('stunmesh').exitOverride().configureOutput({ writeOut: () => {}, writeErr: () => {} });
  if (withGlobalOptions) program.option('-c, --config <file>').option('--config-dir <dir>');
  addConfigCommand(program, {
    env: {},
    cwd,
    stdout: (text) => {
      output.stdout += text;
    },
    stderr: (text) => {
      output.stderr += text;
    },
  });
  const error = await program.parseAsync(['node', 'stunmesh', ...args]).then(
    () => undefined,
    (reason: StunmeshError) => reason,
  );
  return { ...output, cwd, error };
}

test('config check names the file, counts what it holds, and puts warnings on stderr', async (t) => {
  const { stdout, stderr, cwd, error } = await run(t, ['config', 'check', 'good.yaml']);
  assert.equal(error, undefined);
  assert.equal(stdout, `${cwd}/good.yaml: valid (0 interfaces, 0 peers, 0 plugins, 1 warning)\n`);
  assert.equal(stderr, 'warning: good.yaml: no interfaces; there is nothing to do\n');
});

test('config check takes the file as an argument, by -c before or after, by --config-dir, or by the search', async (t) => {
  for (const [args, file, global] of [
    [['config', 'check', '-c', 'good.yaml'], 'good.yaml', false],
    [['config', 'check', '-c', 'good.yaml'], 'good.yaml', true],
    [['-c', 'good.yaml', 'config', 'check'], 'good.yaml', true],
    [['-c', 'good.yaml', 'config', 'check', '--config-dir', '.'], 'good.yaml', true],
    [['config', 'check', '--config-dir', '.'], 'config.yml', false],
    [['config', 'check'], 'config.yml', false],
  ] as const) {
    const { stdout, cwd } = await run(t, args, global);
    assert.ok(stdout.startsWith(`${cwd}/${file}: valid`), `${args.join(' ')}: ${stdout}`);
  }
});

test('config check rejects with all problems, for the caller to print and to exit by', async (t) => {
  const { stdout, error } = await run(t, ['config', 'check', 'every-mistake.yaml']);
  assert.equal(stdout, '');
  assert.equal(error?.code, 'ERR_CONFIG_INVALID');
  assert.equal(error.message.split('\n').length, error.details['problems']);
  const missing = await run(t, ['config', 'check', 'nothing.yaml']);
  assert.equal(missing.error?.code, 'ERR_CONFIG_NOT_FOUND');
});

test('config schema prints JSON, or the reference', async (t) => {
  const json = JSON.parse((await run(t, ['config', 'schema'])).stdout) as { properties: object };
  assert.ok('refresh_interval' in json.properties);
  assert.match((await run(t, ['config', 'schema', '--markdown'])).stdout, /^\| key \|/);
});
