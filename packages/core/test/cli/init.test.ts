/** `stunmesh init` without a terminal: flags, files, exit codes; as a child process where it reads its input. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { keyPair } from '../controllers/far-side.js';
import { callHere } from './call-here.js';

const MAIN = fileURLToPath(import.meta.resolve('#src/cli/main.js'));
const OWN = keyPair('own');
const PRIVATE = Buffer.from(OWN.secretKey.expose()).toString('base64');
const WG0 = `[Interface]
PrivateKey = ${PRIVATE}
ListenPort = 51820
# office
[Peer]
PublicKey = ${keyPair('a').publicKey}
AllowedIPs = 10.0.0.2/32
PersistentKeepalive = 25
`;

async function folder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'stunmesh-init-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  await writeFile(join(dir, 'wg0.conf'), WG0, { mode: 0o600 });
  return dir;
}

const stunmesh = (cwd: string, args: readonly string[]) => callHere(args, cwd);

async function start(cwd: string, args: readonly string[], input: string) {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd, env: { PATH: process.env['PATH'] ?? '', HOME: cwd } });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk);
  });
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, stdout, stderr };
}

const FILE = ['init', '--from', 'wg0.conf', '--store', 'file', '--set', 'path=/srv/mesh', '-o', 'config.yaml'];

test('a configuration from a wg-quick file: valid, for its owner alone, with the next steps on stdout', async (t) => {
  const dir = await folder(t);
  const { code, stdout, stderr } = await stunmesh(dir, FILE);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  for (const part of [
    OWN.publicKey,
    keyPair('a').publicKey,
    'config.yaml',
    'stunmesh status',
    'stunmesh init --store file',
  ])
    assert.ok(stdout.includes(part), `${part} in\n${stdout}`);
  assert.equal((await stat(join(dir, 'config.yaml'))).mode & 0o777, 0o600);
  const check = await stunmesh(dir, ['config', 'check', 'config.yaml']);
  assert.match(check.stdout, /: valid \(1 interface, 1 peer, 1 plugin\)\n$/);
  const again = await stunmesh(dir, FILE);
  assert.equal(again.code, 2);
  assert.match(again.stderr, /config\.yaml is there already.*--force.*\[ERR_USAGE\]/);
  assert.equal((await stunmesh(dir, [...FILE, '--force'])).code, 0);
});

test('F34 the private key shows nowhere; a secret from stdin is in its own file alone', async (t) => {
  const dir = await folder(t);
  const args = ['init', '--from', 'wg0.conf', '--store', 'redis', '--set', 'url=rediss://r.test', '--secret-stdin'];
  const { code, stdout, stderr } = await start(dir, [...args, '-o', 'etc/config.yaml'], 'hunter2\n');
  assert.equal(code, 0, stderr);
  const yaml = await readFile(join(dir, 'etc/config.yaml'), 'utf8');
  for (const text of [stdout, stderr, yaml])
    for (const secret of [PRIVATE, 'hunter2']) assert.equal(text.includes(secret), false);
  assert.deepEqual((await readdir(join(dir, 'etc'))).sort(), ['config.yaml', 'shared-password']);
  assert.equal((await stat(join(dir, 'etc/shared-password'))).mode & 0o777, 0o600);
});

test('without a terminal nothing is asked: what is missing is named, exit 2, and nothing is written', async (t) => {
  const dir = await folder(t);
  const { code, stdout, stderr } = await start(dir, ['init', '--from', 'wg0.conf', '-o', 'c.yaml'], '');
  assert.deepEqual({ code, stdout }, { code: 2, stdout: '' });
  assert.match(stderr, /no terminal.*\n {2}--store NAME[\s\S]*cloudflare[\s\S]*\[ERR_USAGE\]/);
  assert.deepEqual(await readdir(dir), ['wg0.conf']);
});

test("what the store's own module refuses is refused here; no line is named of a file that was never written", async (t) => {
  const dir = await folder(t);
  for (const [setting, message] of [
    ['pathe=/x', /^stunmesh: plugins\.shared\.pathe: unknown key.*did you mean "path"/],
    ['path=relative', /path/],
  ] as const) {
    const args = ['init', '--from', 'wg0.conf', '--store', 'file', '--set', setting, '-o', 'c.yaml'];
    const more = setting.startsWith('pathe') ? ['--set', 'path=/x'] : [];
    const { code, stderr } = await stunmesh(dir, [...args, ...more]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /\.new\b|:\d+:\d+:/);
    assert.deepEqual(await readdir(dir), ['wg0.conf']);
  }
});

test('a store whose package is not installed is refused with its install line, and nothing is written', async (t) => {
  const dir = await folder(t);
  const args = ['init', '--from', 'wg0.conf', '--store', 'etcd', '--set', 'endpoint=x', '-o', 'c.yaml'];
  const { code, stderr } = await stunmesh(dir, args);
  assert.equal(code, 2);
  assert.match(stderr, /npm install.*@stunmesh\/store-etcd.*ERR_PLUGIN_NOT_FOUND/s);
  assert.deepEqual(await readdir(dir), ['wg0.conf']);
});

test('flags that do not go together, and files that cannot be read or written, are named', async (t) => {
  const dir = await folder(t);
  await writeFile(join(dir, 'big.conf'), '#'.repeat(2 ** 20 + 1));
  await mkdir(join(dir, 'folder'));
  for (const [args, message] of [
    [['--from', 'wg0.conf', '--device', 'wg0'], /leave --device out/],
    [['--from', 'none.conf'], /none\.conf: cannot be read \(ENOENT\)/],
    [['--from', 'big.conf'], /big\.conf: longer than 1048576 bytes/],
    [
      [...FILE.slice(1, -2), '-o', 'wg0.conf/c.yaml'],
      /cannot write .*wg0\.conf\/c\.yaml \(E\w+\).*\[ERR_CONFIG_WRITE\]/,
    ],
    [[...FILE.slice(1, -2), '--force', '-o', 'folder'], /cannot write .*folder \(EISDIR\).*\[ERR_CONFIG_WRITE\]/],
    [['--from', 'wg0.conf', '--protocol', 'ipv5'], /Allowed choices are ipv4, ipv6, dualstack/],
  ] as const)
    assert.match((await stunmesh(dir, ['init', '-o', 'c.yaml', ...args])).stderr, message);
  assert.deepEqual((await readdir(dir)).sort(), ['big.conf', 'folder', 'wg0.conf']);
});
