import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmod, chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { StunmeshError } from '#src/api/errors.js';
import { loadConfig } from '#src/config/index.js';
import { temporaryFolder } from './fixtures.js';

/** Four folders of the search order; /etc/stunmesh is the machine's own and taken as it is. */
async function places(t: TestContext) {
  const root = await temporaryFolder(t);
  const at = { env: join(root, 'env'), home: join(root, 'home'), cwd: join(root, 'cwd'), named: join(root, 'named') };
  for (const folder of [at.env, join(at.home, '.stunmesh'), at.cwd, at.named]) await mkdir(folder, { recursive: true });
  return { ...at, options: { env: { STUNMESH_CONFIG_DIR: at.env, HOME: at.home }, cwd: at.cwd } };
}

const write = (...path: string[]) => writeFile(join(...path), `capture: "${path.slice(-2).join('/')}"\n`);

test('the search order is $STUNMESH_CONFIG_DIR, /etc/stunmesh, $HOME/.stunmesh, the working directory; .yaml before .yml', async (t) => {
  const { env, home, cwd, options } = await places(t);
  const found = async () => (await loadConfig(options)).config.file;
  const order = [join(env, 'config.yaml'), join(env, 'config.yml'), join(home, '.stunmesh/config.yaml')];
  order.push(join(home, '.stunmesh/config.yml'), join(cwd, 'config.yaml'), join(cwd, 'config.yml'));
  for (const file of order) await write(file);
  for (const file of order) {
    assert.equal(await found(), file);
    await rm(file);
  }
  await assert.rejects(found(), {
    code: 'ERR_CONFIG_NOT_FOUND',
    message: [
      'no configuration file found; looked for:',
      ...order.slice(0, 2).map((place) => `  ${place}`),
      '  /etc/stunmesh/config.yaml',
      '  /etc/stunmesh/config.yml',
      ...order.slice(2, 4).map((place) => `  ${place}`),
      '  config.yaml',
      '  config.yml',
      'write one by "stunmesh init", or name one with --config FILE or --config-dir DIR',
    ].join('\n'),
  });
});

test('an empty expansion is skipped', async (t) => {
  const { cwd } = await places(t);
  for (const env of [{ STUNMESH_CONFIG_DIR: '', HOME: '' }, {}])
    await assert.rejects(loadConfig({ env, cwd }), (error: StunmeshError) => {
      const lines = error.message.split('\n').filter((line) => line.startsWith('  '));
      assert.deepEqual(
        lines,
        ['/etc/stunmesh/config.yaml', '/etc/stunmesh/config.yml', 'config.yaml', 'config.yml'].map((p) => `  ${p}`),
      );
      return true;
    });
});

test('a named file beats a named folder, which beats the search; neither falls back', async (t) => {
  const { env, cwd, named, options } = await places(t);
  await write(env, 'config.yaml');
  await write(named, 'config.yml');
  await write(cwd, 'mine.json');
  const load = async (o: object) => (await loadConfig({ ...options, ...o })).config.file;
  assert.equal(await load({ file: 'mine.json', dir: named }), join(cwd, 'mine.json'));
  assert.equal(await load({ dir: named }), join(named, 'config.yml'));
  assert.equal(await load({ dir: '../named' }), join(named, 'config.yml'));
  await assert.rejects(load({ file: 'none.yaml', dir: named }), {
    code: 'ERR_CONFIG_NOT_FOUND',
    message: 'no configuration file found; looked for:\n  none.yaml\ncheck the path',
  });
  await assert.rejects(load({ dir: cwd }), {
    code: 'ERR_CONFIG_NOT_FOUND',
    message: `no configuration file found; looked for:\n  ${cwd}/config.yaml\n  ${cwd}/config.yml\ncheck the path`,
  });
});

test('a folder in place of a file, and an endless file, are read errors', async (t) => {
  const { cwd, env, options } = await places(t);
  await assert.rejects(loadConfig({ ...options, file: cwd }), {
    code: 'ERR_CONFIG_READ',
    message: `${cwd}: cannot be read: it is a folder (EISDIR); use --config-dir, or name the file in it`,
  });
  await assert.rejects(loadConfig({ ...options, file: '/dev/zero' }), {
    code: 'ERR_CONFIG_READ',
    message: '/dev/zero: longer than 4194304 bytes; is it the right file?',
  });
  await mkdir(join(env, 'config.yaml'));
  await assert.rejects(loadConfig(options), { code: 'ERR_CONFIG_READ' });
});

test('a file that may not be read is an error, a folder that may not be entered is passed over', async (t) => {
  if (process.geteuid?.() !== 0) return t.skip('needs root, to become somebody without rights');
  const { env, home, cwd, options } = await places(t);
  await write(cwd, 'config.yaml');
  await write(home, '.stunmesh', 'config.yml');
  await chmod(join(env, '..'), 0o755);
  await chmod(join(home, '.stunmesh', 'config.yml'), 0o600);
  await chmod(env, 0o700);
  process.seteuid?.(65534);
  try {
    await assert.rejects(loadConfig(options), {
      code: 'ERR_CONFIG_READ',
      message: `${home}/.stunmesh/config.yml: cannot be read: permission denied (EACCES); run as a user that may read it, or change its mode`,
    });
    await assert.rejects(loadConfig({ ...options, dir: env }), {
      code: 'ERR_CONFIG_NOT_FOUND',
      message: /config\.yaml \(its folder may not be entered\)\n/,
    });
  } finally {
    process.seteuid?.(0);
  }
});

test('F75 root refuses a file that others may write or replace, and says what to do', async (t) => {
  if (process.geteuid?.() !== 0) return t.skip('needs root');
  const { cwd, options } = await places(t);
  const path = join(cwd, 'config.yaml');
  const load = (env = {}) => loadConfig({ ...options, file: path, env });
  const refused = (message: RegExp) => ({ code: 'ERR_CONFIG_WRITABLE', message });
  await write(cwd, 'config.yaml');
  await load();
  await chmod(path, 0o666);
  await assert.rejects(load(), refused(/everybody may write to it.*runs as root; run: chmod go-w .*config\.yaml/));
  await chmod(path, 0o600);
  await chmod(cwd, 0o777);
  await assert.rejects(load(), refused(/everybody may change what is in /));
  await chmod(cwd, 0o1777);
  await load();
  await chown(path, 12_345, 12_345);
  await assert.rejects(load(), refused(/belongs to user 12345, in a folder where everybody may make files/));
  await load({ SUDO_UID: '12345' });
  await chmod(cwd, 0o700);
  await load();
});

test('F75 root refuses a file that a group other than its own may write or replace', async (t) => {
  if (process.geteuid?.() !== 0) return t.skip('needs root');
  const { cwd, options } = await places(t);
  const path = join(cwd, 'config.yaml');
  const load = (env = {}) => loadConfig({ ...options, file: path, env });
  const refused = (message: RegExp) => ({ code: 'ERR_CONFIG_WRITABLE', message });
  await write(cwd, 'config.yaml');
  await chmod(path, 0o660);
  await load();
  await chown(path, 0, 12_345);
  await assert.rejects(load(), refused(/: group 12345 may write to it, .*run: chmod go-w /));
  await load({ SUDO_GID: '12345' });
  await chmod(path, 0o640);
  await load();
  await chmod(cwd, 0o770);
  await load();
  await chown(cwd, 0, 12_345);
  await assert.rejects(load(), refused(/: group 12345 may change what is in .*, and what it names runs as root/));
});

test('a pipe is nobody’s file, whatever its mode', async (t) => {
  const { cwd, options } = await places(t);
  const path = join(cwd, 'pipe');
  execFileSync('mkfifo', ['-m', '666', path]);
  const writer = spawn('sh', ['-c', `echo "stun: {addresses: a.b:1}" >${path}`]);
  const over = new Promise((resolve) => writer.once('exit', resolve));
  assert.equal((await loadConfig({ ...options, file: path })).config.file, path);
  await over;
});

test('F75 root hears of programs and modules that others may write or replace', async (t) => {
  if (process.geteuid?.() !== 0) return t.skip('needs root');
  const { cwd, options } = await places(t);
  const [program, module] = [join(cwd, 'plugin.sh'), join(cwd, 'store.js')];
  await writeFile(program, '', { mode: 0o755 });
  await writeFile(module, '');
  const text = `stun: {addresses: a.b:1}
plugins:
  a: {type: exec, command: ${program}}
  b: {type: builtin, name: ${module}}
  c: {type: shell, command: cat}
`;
  await writeFile(join(cwd, 'own.yaml'), text);
  const heard = async () =>
    (await loadConfig({ ...options, file: join(cwd, 'own.yaml') })).warnings.filter((each) =>
      /runs as root/.test(each),
    );
  assert.deepEqual(await heard(), []);
  await chmod(program, 0o777);
  await chmod(module, 0o666);
  const [a, b, ...more] = await heard();
  assert.match(a ?? '', /plugins\.a: .*plugin\.sh: everybody may write to it.*chmod go-w/);
  assert.match(b ?? '', /plugins\.b: .*store\.js/);
  assert.equal(more.length, 0);
});
