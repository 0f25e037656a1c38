/** The npm packages: what is in their tarballs, and that they work where they are installed together in an empty folder. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { packageNames, ROOT } from '../../architecture/source.js';

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The version ranges of a tarball's package.json. */
interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly description: string;
  readonly engines: { readonly node: string };
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const licence = readFileSync(join(ROOT, 'LICENSE'), 'utf8');

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'packages-'));
  await must(process.execPath, [
    join(ROOT, 'test/tools/release.mjs'),
    'packages',
    '--no-build',
    '--out',
    join(folder, 'tarballs'),
  ]);
});
after(() => rm(folder, { recursive: true, force: true }));

function run(program: string, args: readonly string[], cwd = folder): Promise<Ended> {
  return new Promise((resolve) => {
    // npm would hand its own settings down; the tests' reporter is no business of the programs either.
    const kept = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_TEST_CONTEXT$)/.test(name));
    execFile(
      program,
      [...args],
      { cwd, env: Object.fromEntries(kept), timeout: 110_000, encoding: 'utf8', maxBuffer: 1 << 26 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
        resolve({ code, stdout, stderr });
      },
    );
  });
}

async function must(program: string, args: readonly string[], cwd?: string): Promise<string> {
  const result = await run(program, args, cwd);
  assert.equal(result.code, 0, `${program} ${args.join(' ')}: ${result.stderr}${result.stdout}`);
  return result.stdout;
}

async function tarball(name: string): Promise<string> {
  const { version } = (await import(join(ROOT, 'packages', name, 'package.json'), { with: { type: 'json' } }))
    .default as Manifest;
  return join(folder, 'tarballs', `stunmesh-${name}-${version}.tgz`);
}

async function filesOf(name: string): Promise<string[]> {
  const list = await must('tar', ['-tzf', await tarball(name)]);
  return list
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/^package\//, ''));
}

for (const name of packageNames()) {
  test(`the tarball of ${name} holds what is needed to run and to read, and no tests or sources`, async () => {
    const files = await filesOf(name);
    for (const wanted of ['package.json', 'README.md', 'LICENSE'])
      assert.ok(files.includes(wanted), `${wanted} is missing`);
    assert.ok(
      files.some((file) => file.startsWith('dist/')),
      'nothing was built',
    );
    const own =
      /^(dist\/.*\.(js|d\.ts)|native\/[\w-]+\.(c|h|mjs)|prebuilds\/.*\.node|build\/.*|(service|schema|examples)\/.*|[A-Z]+\.md|LICENSE|package\.json)$/;
    const odd = files.filter((file) => !own.test(file) || /\.(test|spec)\.|(^|\/)test\//.test(file));
    assert.deepEqual(odd, []);
    const manifest = JSON.parse(await must('tar', ['-xzOf', await tarball(name), 'package/package.json'])) as Manifest;
    assert.equal(manifest.license, 'MIT');
    assert.equal(await must('tar', ['-xzOf', await tarball(name), 'package/LICENSE']), licence);
    assert.ok(manifest.description.length > 20);
    assert.match(manifest.engines.node, /^>=20/);
    const ranges = Object.values({ ...manifest.dependencies, ...manifest.peerDependencies });
    assert.deepEqual(
      ranges.filter((range) => range.includes(':')),
      [],
      'workspace: means nothing to npm',
    );
    if (name !== 'core') assert.match(manifest.peerDependencies?.['@stunmesh/core'] ?? '', /^\^\d/);
  });
}

test('the tarballs bring headers, service files, the protocol, its schemas and its examples along', async () => {
  const core = await filesOf('core');
  assert.ok(core.includes('native/stunmesh_socket.h') && core.includes('dist/cli/main.js'));
  const service = join(ROOT, 'packages/core/service');
  for (const entry of existsSync(service) ? readdirSync(service) : [])
    assert.ok(
      core.some((file) => file.startsWith(`service/${entry}`)),
      `service/${entry} is missing`,
    );
  const exec = await filesOf('store-exec');
  assert.ok(exec.includes('PROTOCOL.md') && exec.includes('schema/exec-1-request.json'));
  assert.ok(exec.includes('examples/folder_store.py'));
  assert.ok((await filesOf('capture-linux')).includes('native/capture.c'));
  assert.ok((await filesOf('store-cloudflare')).includes('build/sdk.js'));
});

test('installed from their tarballs in an empty folder, core, capture-linux and store-file work; a missing store is named', async (t) => {
  if (process.platform !== 'linux') return t.skip('capture-linux installs on Linux alone');
  const site = join(folder, 'site');
  await mkdir(site);
  await writeFile(join(site, 'package.json'), '{ "private": true }\n');
  // Without prebuilds: its install script has to build the addon. With them, prebuilds.test.ts has it loaded.
  const unpacked = join(folder, 'capture-linux');
  await mkdir(unpacked);
  await must('tar', ['-xzf', await tarball('capture-linux'), '-C', unpacked]);
  await rm(join(unpacked, 'package/prebuilds'), { recursive: true, force: true });
  await must('tar', ['-czf', join(unpacked, 'it.tgz'), '-C', unpacked, 'package']);
  const tarballs = [await tarball('core'), await tarball('store-file'), join(unpacked, 'it.tgz')];
  const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--prefer-offline'];
  await must('npm', ['install', ...quiet, ...tarballs], site);

  const stunmesh = join(site, 'node_modules/.bin/stunmesh');
  const { version } = JSON.parse(await must('cat', [join(ROOT, 'packages/core/package.json')])) as Manifest;
  assert.equal(await must(stunmesh, ['--version'], site), `${version}\n`);

  const write = async (plugin: Readonly<Record<string, unknown>>): Promise<string> => {
    const file = join(site, 'config.yaml');
    const peer = { public_key: 'mmVvEwVUXJ0DHwGAQIxvPnn0yGQhYSH31LRdMf8ANTA=', plugin: 'shared' };
    const config = {
      stun: { addresses: ['192.0.2.1:3478'] },
      plugins: { shared: plugin },
      interfaces: { 'stunmesh-none': { peers: { far: peer } } },
      run_dir: join(site, 'run'),
      state_dir: join(site, 'state'),
    };
    await writeFile(file, JSON.stringify(config));
    return file;
  };
  const good = await write({ type: 'builtin', name: 'file', path: join(site, 'records') });
  assert.match(await must(stunmesh, ['config', 'check', good], site), /: valid \(1 interface, 1 peer, 1 plugin\)/);
  const report = await must(stunmesh, ['plugin', 'test', 'shared', '-c', good], site);
  assert.match(report, /^1\.\.\d+$/m);
  assert.doesNotMatch(report, /^not ok/m);

  // A store in one file that lies anywhere imports what core publishes.
  const acme = join(folder, 'acme-store.mjs');
  await must('cp', [join(ROOT, 'test/fixtures/e2e/one-file-store.mjs'), acme]);
  const byPath = await write({ type: 'builtin', name: acme, path: join(site, 'acme') });
  assert.doesNotMatch(await must(stunmesh, ['plugin', 'test', 'shared', '-c', byPath], site), /^not ok/m);

  // The addon was built: it lists the interfaces of this machine.
  const look = `const { default: capture } = await import('@stunmesh/capture-linux'); process.stdout.write(JSON.stringify(await capture.listInterfaces()));`;
  const interfaces = JSON.parse(await must(process.execPath, ['--input-type=module', '-e', look], site)) as {
    name: string;
  }[];
  assert.ok(interfaces.some(({ name }) => name === 'lo'));

  const missing = await run(
    stunmesh,
    ['-c', await write({ type: 'builtin', name: 'redis', url: 'redis://127.0.0.1:1' })],
    site,
  );
  assert.equal(missing.code, 2, missing.stdout + missing.stderr);
  assert.match(
    missing.stderr,
    /plugins\.shared\.name.*@stunmesh\/store-redis.*npm install --global @stunmesh\/store-redis.*ERR_PLUGIN_NOT_FOUND/,
  );
  assert.match(missing.stderr, new RegExp(`npm install --prefix ${site} @stunmesh/store-redis`));
});
