import assert from 'node:assert/strict';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Command } from 'commander';
import type { StunmeshError } from '#src/api/errors.js';
import { addConfigCommand } from '#src/cli/config.js';
import { fixturePath, temporaryFolder } from '../config/fixtures.js';

/** Runs `stunmesh ARGS` in a folder with every-mistake.yaml, and good.yaml. */
async function run(
  t: TestContext,
  args: readonly string[],
  withGlobalOptions = false,
  files: Readonly<Record<string, string>> = {},
) {
  const cwd = await temporaryFolder(t);
  await copyFile(fixturePath('every-mistake.yaml'), join(cwd, 'every-mistake.yaml'));
  await writeFile(join(cwd, 'good.yaml'), 'stun: {addresses: a.b:1}\n');
  await writeFile(join(cwd, 'config.yml'), 'capture: bsd\n');
  for (const [name, text] of Object.entries(files)) await writeFile(join(cwd, name), text);
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

test('F34 config check says what a program gets of the environment, and how it gets less', async (t) => {
  const plugins = 'plugins: {a: {type: exec, command: x}, b: {type: shell, command: x, env_clear: true}}\n';
  const { stderr, error } = await run(t, ['config', 'check', 'exec.yaml'], false, { 'exec.yaml': plugins });
  assert.equal(error, undefined);
  assert.match(stderr, /^note: .*exec\.yaml:1:\d+: plugins\.a: the program gets .*"env_clear: true"/m);
  assert.doesNotMatch(stderr, /plugins\.b/);
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

test('F71 config check refuses what the start would refuse, each with its place and what is allowed', async (t) => {
  const cases: readonly [settings: string, wanted: RegExp][] = [
    ['name: file, pth: /srv/x', /^c\.yaml:1:\d+: plugins\.p\.pth: unknown key; .*did you mean "path"\?/m],
    ['name: file, path: records', /^c\.yaml:1:50: plugins\.p\.path: path "records" is relative; write an absolute one/],
    ['name: nosuch', /^c\.yaml:1:38: plugins\.p\.name: the package @stunmesh\/store-nosuch .*npm install/],
    ['name: rediss, url: "redis://h"', /plugins\.p\.name: .*did you mean "redis"\?/],
    ['name: redis, url: "h:6379"', /^c\.yaml:1:50: plugins\.p\.url: it begins with something else; allowed: redis:/],
    ['name: redis, url: "redis://h?ssl_cert_reqs=none"', /plugins\.p\.url: it has a part after "\?"/],
    ['name: cloudflare, zone: a.example, token: x, token_file: /x', /plugins\.p\.token: write only one of token/],
  ];
  for (const [settings, wanted] of cases) {
    const { error, stdout } = await run(t, ['config', 'check', 'c.yaml'], false, {
      'c.yaml': `plugins: { p: { type: builtin, ${settings} } }\nstun: {addresses: a.b:1}\n`,
    });
    assert.match(error?.message ?? 'valid', wanted, settings);
    assert.match(error?.code ?? '', /^ERR_(CONFIG_INVALID|PLUGIN_NOT_FOUND)$/);
    assert.equal(stdout, '');
  }
});

test('F71 config check looks at every plugin, also where nobody uses it, and at the capture; all is told at once', async (t) => {
  const { error } = await run(t, ['config', 'check', 'c.yaml'], false, {
    'c.yaml':
      'capture: nosuch\nplugins: { a: { type: builtin, name: file, path: x }, b: { type: builtin, name: nosuch } }\n',
  });
  const lines = error?.message.split('\n') ?? [];
  assert.equal(lines.length, 3, error?.message);
  assert.match(lines[0] ?? '', /capture "nosuch"/);
  assert.match(lines[1] ?? '', /plugins\.a\.path/);
  assert.match(lines[2] ?? '', /plugins\.b\.name/);
});
