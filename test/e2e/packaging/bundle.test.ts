/** The bundle: one folder that does everything by node and by bun, with nothing installed beside it. */
import assert from 'node:assert/strict';
import { copyFile, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createKeyPair, must, REPOSITORY } from '../lab/index.js';
import { residentBytes } from '../lab/steps/crowd.js';
import { labTest } from '../lab/steps/lab-test.js';
import { CONNECT_LIMIT_MS, expectTunnel } from '../lab/steps/pair.js';
import { MadeBundle, RUNTIMES } from './steps/bundle-made.js';

const OTHER_PLATFORM = 'linux-arm64';

let bundle: MadeBundle;
before(async () => {
  bundle = await MadeBundle.make();
});
after(async () => {
  await bundle?.[Symbol.asyncDispose]();
});

const fixture = (name: string): string => join(REPOSITORY, 'test/fixtures/e2e', name);

async function writeConfig(plugins: Readonly<Record<string, unknown>>): Promise<string> {
  const file = join(bundle.folder, 'config.yaml');
  const peer = { public_key: createKeyPair().publicKey, plugin: Object.keys(plugins)[0] };
  await writeFile(
    file,
    JSON.stringify({ stun: { addresses: ['192.0.2.1:3478'] }, plugins, interfaces: { wg0: { peers: { far: peer } } } }),
  );
  return file;
}

test('a bundle imports nothing but its own files and what the runtime has, and brings the licences of what is in it', async () => {
  const names = (await readdir(bundle.files, { recursive: true })).filter((name) => name.endsWith('.js'));
  assert.ok(names.length > 10, 'parts that are loaded later are files of their own');
  const own = new Set([...builtinModules, ...builtinModules.map((name) => `node:${name}`)]);
  const foreign: string[] = [];
  for (const name of names) {
    const text = await readFile(join(bundle.files, name), 'utf8');
    for (const match of text.matchAll(
      /(?:^|[;}])(?:import|export)[^;'"()]*?["']([^"']+)["'];|\bimport\(["']([^"']+)["']\)/gm,
    )) {
      const specifier = match[1] ?? match[2] ?? '';
      // Sentences in error texts are no specifiers.
      if (specifier.includes(' ')) continue;
      if (!specifier.startsWith('./') && !specifier.startsWith('../') && !own.has(specifier))
        foreign.push(`${name}: ${specifier}`);
    }
  }
  assert.deepEqual(foreign, []);
  assert.ok(!(await readdir(bundle.files)).includes('node_modules'));
  const licences = await readFile(join(bundle.files, 'THIRD-PARTY-LICENSES.txt'), 'utf8');
  for (const name of ['commander', 'execa', 'ioredis', 'tweetnacl', 'cloudflare', 'yaml'])
    assert.match(licences, new RegExp(`^${name} `, 'm'));
});

for (const runtime of RUNTIMES) {
  test(`the bundle by ${runtime}: version, help, config check and schema`, async () => {
    const { version } = JSON.parse(await readFile(join(REPOSITORY, 'packages/core/package.json'), 'utf8')) as {
      version: string;
    };
    assert.equal(await bundle.mustRun(runtime, ['--version']), `${version}\n`);
    assert.match(await bundle.mustRun(runtime, ['--help']), /^Usage: stunmesh /);
    const good = await writeConfig({ folder: { type: 'builtin', name: 'file', path: bundle.folder } });
    assert.match(await bundle.mustRun(runtime, ['config', 'check', good]), /: valid \(1 interface, 1 peer, 1 plugin\)/);
    assert.equal(JSON.parse(await bundle.mustRun(runtime, ['config', 'schema'])).type, 'object');
    await writeFile(good, 'plugins: { folder: { type: builtin, nam: file } }\n');
    const bad = await bundle.run(runtime, ['config', 'check', good]);
    assert.equal(bad.code, 2, bad.stdout);
    assert.match(bad.stderr + bad.stdout, /config\.yaml:1:\d+/);
  });

  test(`the bundle by ${runtime}: every store is inside, another one is missed with its install line`, async () => {
    const file = await writeConfig({ folder: { type: 'builtin', name: 'file', path: join(bundle.folder, runtime) } });
    assert.match(await bundle.mustRun(runtime, ['plugin', 'test', 'folder', '-c', file]), /^1\.\.\d+$/m);
    const records = join(bundle.folder, runtime);
    const shell = ['plugin', 'test', '--shell', '--', fixture('shell-store.sh'), records];
    assert.match(await bundle.mustRun(runtime, shell), /^1\.\.\d+$/m);
    // Nobody listens there: loaded and opened they are, and only the backend is missing.
    const redis = await writeConfig({ far: { type: 'builtin', name: 'redis', url: 'redis://127.0.0.1:1' } });
    const down = await bundle.run(runtime, ['plugin', 'test', 'far', '--timeout', '2s', '-c', redis]);
    assert.equal(down.code, 1, down.stderr);
    assert.match(down.stdout, /nobody listens there/);
    const cloudflare = await writeConfig({ dns: { type: 'builtin', name: 'cloudflare' } });
    const unset = await bundle.run(runtime, ['plugin', 'test', 'dns', '-c', cloudflare]);
    assert.match(unset.stderr, /ERR_CONFIG_INVALID/);
    const other = await writeConfig({ odd: { type: 'builtin', name: 'etcd' } });
    const missing = await bundle.run(runtime, ['plugin', 'test', 'odd', '-c', other]);
    assert.equal(missing.code, 2);
    assert.match(missing.stderr, /npm install --global @stunmesh\/store-etcd.*ERR_PLUGIN_NOT_FOUND/);
  });
}

for (const runtime of RUNTIMES)
  test(`the bundle by ${runtime}: a store in one file beside it, by its path, imports what this program publishes`, async () => {
    const path = join(bundle.folder, 'acme-store.mjs');
    await copyFile(fixture('one-file-store.mjs'), path);
    const file = await writeConfig({
      acme: { type: 'builtin', name: path, path: join(bundle.folder, `acme-${runtime}`) },
    });
    const tested = await bundle.mustRun(runtime, ['plugin', 'test', 'acme', '-c', file]);
    assert.match(tested, /^1\.\.\d+$/m);
    assert.doesNotMatch(tested, /^not ok/m);
  });

test('F39 a bundle for another platform says so, and one whose addon is broken says where a whole one comes from', async (t) => {
  if (process.arch !== 'x64') return t.skip('addons for other platforms are made on Linux x64');
  await must(undefined, [process.execPath, join(REPOSITORY, 'test/tools/prebuild.mjs'), OTHER_PLATFORM], {
    timeoutMs: 120_000,
  });
  await using other = await MadeBundle.make('--stores', 'file', '--platform', OTHER_PLATFORM);
  const config = await writeConfig({ folder: { type: 'builtin', name: 'file', path: other.folder } });
  const elsewhere = await other.run('node', ['-c', config]);
  assert.equal(elsewhere.code, 1);
  assert.match(
    elsewhere.stderr,
    new RegExp(`made for ${OTHER_PLATFORM}, and this is linux-${process.arch}.*ERR_CAPTURE_PLATFORM`),
  );
  // What gates a start checks what the start checks.
  assert.match((await other.run('node', ['config', 'check', config])).stderr, /ERR_CAPTURE_PLATFORM/);
  const licences = await readFile(join(other.files, 'THIRD-PARTY-LICENSES.txt'), 'utf8');
  assert.match(licences, /^commander /m);
  assert.doesNotMatch(licences, /^(ioredis|cloudflare) /m, 'only the chosen store is inside');

  await using broken = await MadeBundle.make('--stores', 'file');
  await writeFile(join(broken.files, 'stunmesh_capture.node'), 'no addon');
  for (const runtime of RUNTIMES) {
    const ended = await broken.run(runtime, ['-c', config]);
    assert.equal(ended.code, 1, ended.stdout);
    assert.match(ended.stderr, /the addon .* take the whole folder, made for this system.*ERR_CAPTURE_ADDON/);
  }
  t.diagnostic(await sizesOf(bundle.files));
});

labTest(
  'the bundle by node on one host and by bun on the other: a port-restricted pair connects, status, doctor and stun-server run',
  { sides: { a: {}, b: {} }, coturn: [1] },
  async (lab, t) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    // The second STUN server is the bundle's own.
    const server = lab.spawn(lab.publicNamespace, [
      ...bundle.command('bun'),
      'stun-server',
      '--listen',
      '203.0.113.2:3478',
    ]);
    // A plugin that lives as long as the daemon, one on each side; they share the folder.
    const watching = join(REPOSITORY, 'packages/store-exec/examples/watching_store.py');
    const plugins = { folder: { type: 'exec', protocol: 1, command: watching, args: [lab.storeDir] } };
    const [byNode, byBun] = await Promise.all([
      a.startDaemon({ command: bundle.command('node'), plugins }),
      b.startDaemon({ command: bundle.command('bun'), plugins }),
    ]);
    await expectTunnel(a, b, CONNECT_LIMIT_MS * 2);
    assert.deepEqual(await a.pingBurst(b, 20, 0.02), { sent: 20, received: 20 });
    for (const [runtime, host, daemon] of [
      ['node', a, byNode],
      ['bun', b, byBun],
    ] as const) {
      t.diagnostic(`resident by ${runtime}: ${((await residentBytes(daemon.pid)) / 1024 / 1024).toFixed(1)} MiB`);
      assert.match(await bundle.mustRun(runtime, ['status', '--run-dir', host.runDir]), /connected/);
      const doctor = [...bundle.command(runtime), 'doctor', '--json', '-c', daemon.configFile];
      const { findings } = JSON.parse((await host.exec(doctor, { timeoutMs: 60_000 })).stdout) as {
        findings: { check: string; verdict: string; text: string }[];
      };
      const capture = findings.filter(({ check }) => check === 'capture').map(({ verdict }) => verdict);
      assert.ok(capture.length >= 2 && capture.every((verdict) => verdict === 'ok'), JSON.stringify(findings));
    }
    assert.match(server.stdout, /^listening on 203\.0\.113\.2:3478$/m);
    server.signal('SIGTERM');
    assert.equal((await server.exited).code, 0);
    assert.deepEqual(await Promise.all([byNode.stop(), byBun.stop()]), [0, 0]);
  },
);

/** The bundle's own code and that of the stores that are loaded when they are asked for. */
async function sizesOf(folder: string): Promise<string> {
  const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.js'));
  const sizes = await Promise.all(files.map(async (name) => (await stat(join(folder, name))).size));
  return `${files.length} files of JavaScript, ${Math.round(sizes.reduce((sum, size) => sum + size, 0) / 1024)} KiB`;
}
