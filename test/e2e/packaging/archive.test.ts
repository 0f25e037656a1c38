/** The archive for FreeBSD: its install script makes the tree that the service expects, and its uninstall script leaves nothing. */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Service } from '../../freebsd/service-stand-in.js';
import { must, REPOSITORY, run } from '../lab/index.js';
import { FETCH_MS } from './steps/foreign-node.js';

const onLinux = process.platform === 'linux' && process.arch === 'x64';
const skip = onLinux ? false : 'archives are made on Linux x64';
const asRoot = onLinux && process.getuid?.() === 0 ? false : 'needs root on Linux x64';
const tool = (name: string): string => join(REPOSITORY, 'test/tools', name);

let work: string;
/** The unpacked archive. */
let archive: string;
/** The same with this machine's program in it: what is installed can be run here. */
let runnable: string;
before(
  async () => {
    if (skip !== false) return;
    work = await mkdtemp(join(tmpdir(), 'archive-'));
    await must(undefined, [process.execPath, tool('prebuild.mjs'), 'freebsd-x64', 'freebsd-arm64'], {
      timeoutMs: FETCH_MS,
    });
    await must(undefined, [process.execPath, tool('release.mjs'), 'archives', '--no-build', '--out', work], {
      timeoutMs: FETCH_MS,
    });
    const made = readdirSync(work).toSorted();
    assert.deepEqual(
      made.map((name) => name.replace(/-\d[\w.]*?-/, '-')),
      ['arm64', 'x64'].flatMap((arch) => [`stunmesh-freebsd-${arch}.tar.gz`, `stunmesh-freebsd-${arch}.tar.gz.sha256`]),
    );
    await must(undefined, ['sh', '-c', `cd ${work} && sha256sum -c *.sha256 && tar -xzf *-x64.tar.gz`]);
    archive = join(work, (made[2] ?? '').replace('.tar.gz', ''));
    runnable = join(work, 'runnable');
    await must(undefined, ['cp', '-r', archive, runnable]);
    const bundle = [tool('bundle.mjs'), '--no-build', '--out', join(runnable, 'stunmesh')];
    await must(undefined, [process.execPath, ...bundle], { timeoutMs: FETCH_MS });
    const sums = "find . -type f ! -name SHA256SUMS | sed 's#^\\./##' | sort | xargs sha256sum >SHA256SUMS";
    await must(undefined, ['sh', '-c', `cd ${runnable} && ${sums}`]);
  },
  { timeout: FETCH_MS * 2 },
);
after(() => work && rm(work, { recursive: true, force: true }));

/** A folder in the place of the system's root, with a runtime where packages put it. */
function emptyRoot(name: string): string {
  const root = join(work, name);
  mkdirSync(join(root, 'usr/local/bin'), { recursive: true });
  mkdirSync(join(root, 'var/run'), { recursive: true });
  symlinkSync(process.execPath, join(root, 'usr/local/bin/node'));
  return root;
}

const tree = (root: string): string[] => readdirSync(root, { recursive: true, encoding: 'utf8' }).toSorted();
const install = (root: string, ...options: string[]) =>
  run(undefined, ['sh', join(archive, 'install.sh'), '--root', root, ...options]);
/** The sample, with folders below one of the test, and nobody to ask outside of this machine. */
const localConfig = (folder: string): string =>
  readFileSync(join(archive, 'config.yaml.sample'), 'utf8')
    .replace('/mnt/shared', folder)
    .replace(/addresses: .*/, 'addresses: ["192.0.2.1:3478"]')
    .concat(`run_dir: ${folder}/run\nstate_dir: ${folder}/state\n`);
const uninstall = (root: string, ...options: string[]) =>
  run(undefined, ['sh', join(root, 'usr/local/lib/stunmesh/uninstall.sh'), '--root', root, ...options]);

test('the scripts are plain sh', { skip }, async () => {
  for (const name of ['install.sh', 'uninstall.sh']) await must(undefined, ['sh', '-n', join(archive, name)]);
});

test('it leaves the tree that the service expects, and taking it away leaves nothing', { skip }, async () => {
  const root = emptyRoot('whole');
  const empty = tree(root);
  const { code, stderr, stdout } = await install(root);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /run by \/usr\/local\/bin\/node\n$/);
  const mode = (path: string) => (statSync(join(root, path)).mode & 0o777).toString(8);
  for (const [path, expected] of [
    ['usr/local/bin/stunmesh', '555'],
    ['usr/local/etc/rc.d/stunmesh', '555'],
    ['usr/local/etc/newsyslog.conf.d/stunmesh.conf', '644'],
    ['usr/local/etc/stunmesh', '700'],
    ['usr/local/etc/stunmesh/config.yaml.sample', '644'],
    ['usr/local/share/man/man1/stunmesh.1', '444'],
    ['usr/local/lib/stunmesh/stunmesh_capture.node', '444'],
  ] as const)
    assert.equal(mode(path), expected, path);
  const script = readFileSync(join(root, 'usr/local/etc/rc.d/stunmesh'), 'utf8');
  assert.match(script, /stunmesh_runtime:=\/usr\/local\/bin\/node}/);
  assert.equal((await uninstall(root)).code, 0);
  assert.deepEqual(tree(root), empty);
});

for (const release of [13, 15] as const)
  test(`${release}: the service starts what was installed, by rc.d as it was installed`, { skip: asRoot }, async () => {
    const root = emptyRoot(`service${release}`);
    await must(undefined, ['sh', join(runnable, 'install.sh'), '--root', root]);
    const script = readFileSync(join(root, 'usr/local/etc/rc.d/stunmesh'), 'utf8');
    await using service = new Service(release, ['stunmesh_log="FAKE/log"'], script);
    rmSync(service.path('usr'), { recursive: true, force: true });
    symlinkSync(join(root, 'usr'), service.path('usr'));
    assert.match((await service.call('onestart')).text, /config\.yaml is not readable/);
    writeFileSync(join(root, 'usr/local/etc/stunmesh/config.yaml'), localConfig(service.folder), { mode: 0o600 });
    const check = await service.call('onecheckconfig');
    assert.match(check.text, /config\.yaml: valid \(1 interface, 1 peer, 1 plugin\)/);
    const start = await service.call('onestart');
    assert.equal(start.code, 0, start.text);
    // The device of the sample is not here, or it is: the daemon runs, and says so of it.
    await service.logged(/wg0/);
    const stop = await service.call('onestop');
    assert.equal(stop.code, 0, stop.text);
    assert.match(service.log, /stopped\n$/);
  });

test('configuration and logs are kept by uninstall, and named; --purge takes them, an earlier release goes too', {
  skip,
}, async () => {
  const root = emptyRoot('kept');
  const empty = tree(root);
  assert.equal((await install(root)).code, 0);
  // As if that release had a part of another name, and the daemon had run.
  writeFileSync(join(root, 'usr/local/lib/stunmesh/lib/chunk-OLD.js'), '');
  for (const folder of ['var/run/stunmesh', 'var/db/stunmesh', 'var/log'])
    mkdirSync(join(root, folder), { recursive: true });
  for (const file of ['var/db/stunmesh/wg0.json', 'var/log/stunmesh.log', 'var/log/stunmesh.log.0.bz2'])
    writeFileSync(join(root, file), '');
  writeFileSync(join(root, 'usr/local/etc/stunmesh/config.yaml'), 'mine');
  assert.equal((await install(root)).code, 0);
  assert.ok(!existsSync(join(root, 'usr/local/lib/stunmesh/lib/chunk-OLD.js')));
  const { stdout } = await uninstall(root);
  assert.match(stdout, /^kept: \S+\/usr\/local\/etc\/stunmesh \(--purge removes it\)$/m);
  assert.match(stdout, /^kept: \S+\/var\/log\/stunmesh\.log \(/m);
  assert.equal(readFileSync(join(root, 'usr/local/etc/stunmesh/config.yaml'), 'utf8'), 'mine');
  assert.ok(!existsSync(join(root, 'var/db/stunmesh')) && !existsSync(join(root, 'usr/local/lib')));
  assert.equal((await install(root)).code, 0);
  assert.equal((await uninstall(root, '--purge')).code, 0);
  assert.deepEqual(
    tree(root).filter((path) => !/^(var\/(db|log)|usr\/local\/etc)$/.test(path)),
    empty,
  );
});

test('a damaged archive, a system that is not FreeBSD, no runtime, a wrong option: said, and nothing is touched', {
  skip,
}, async () => {
  const root = emptyRoot('untouched');
  const before = tree(root);
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['--root', root, '--runtime', '/usr/local/bin/bun'], /there is no program \S+\/usr\/local\/bin\/bun/],
    [['--root', root, '--runtime', 'node'], /absolute path/],
    [['--root', root, '--runtime', '/a b'], /other signs/],
    [['--root', root, '--executable', '/nowhere'], /there is no file \/nowhere/],
    [['--prefix', root], /unknown option --prefix; allowed: --root/],
    [[], /this is Linux, not FreeBSD/],
  ];
  for (const [options, reason] of cases) {
    const { code, stderr } = await run(undefined, ['sh', join(archive, 'install.sh'), ...options]);
    assert.equal(code, 1);
    assert.match(stderr, reason);
  }
  rmSync(join(root, 'usr/local/bin/node'));
  assert.match((await install(root)).stderr, /neither node nor bun/);
  const damaged = join(work, 'damaged');
  await must(undefined, ['cp', '-r', archive, damaged]);
  writeFileSync(join(damaged, 'stunmesh/stunmesh.js'), 'other');
  const { stderr } = await run(undefined, ['sh', join(damaged, 'install.sh'), '--root', root]);
  assert.match(stderr, /stunmesh\/stunmesh\.js is damaged/);
  assert.deepEqual(
    tree(root),
    before.filter((path) => path !== 'usr/local/bin/node'),
  );
});

test('the single executable in the place of a runtime', { skip }, async () => {
  const root = emptyRoot('executable');
  rmSync(join(root, 'usr/local/bin/node'));
  const empty = tree(root);
  const executable = join(work, 'stunmesh-freebsd-x64');
  writeFileSync(executable, '#!/bin/sh\n');
  const { code, stderr } = await install(root, '--executable', executable);
  assert.equal(code, 0, stderr);
  const script = readFileSync(join(root, 'usr/local/etc/rc.d/stunmesh'), 'utf8');
  assert.match(script, /^: "\$\{stunmesh_runtime:=\/usr\/local\/lib\/stunmesh\/stunmesh}"$/m);
  assert.match(script, /^: "\$\{stunmesh_script=}"$/m);
  assert.match(
    readFileSync(join(root, 'usr/local/bin/stunmesh'), 'utf8'),
    /exec \/usr\/local\/lib\/stunmesh\/stunmesh "\$@"/,
  );
  assert.equal((await uninstall(root)).code, 0);
  assert.deepEqual(tree(root), empty);
});

test('in a root of its own: installed, started, installed again, which restarts it, and removed, which stops it', {
  skip: asRoot,
}, async () => {
  const root = join(work, 'chroot');
  mkdirSync(join(root, 'tmp'), { recursive: true });
  await must(undefined, ['cp', '-r', runnable, join(root, 'tmp/archive')]);
  writeFileSync(join(root, 'tmp/config.yaml'), localConfig('/tmp'));
  const commands = `
    sh /tmp/archive/install.sh
    stunmesh --version
    stunmesh config check /usr/local/etc/stunmesh/config.yaml.sample
    install -m 600 /tmp/config.yaml /usr/local/etc/stunmesh/config.yaml
    /usr/local/etc/rc.d/stunmesh onestart
    until grep -q wg0 /var/log/stunmesh.log; do sleep 0.1; done
    sh /tmp/archive/install.sh
    until /usr/local/etc/rc.d/stunmesh onestatus; do sleep 0.1; done
    sh /usr/local/lib/stunmesh/uninstall.sh --purge
    find /usr/local /var -type f`;
  const chroot = join(REPOSITORY, 'test/fixtures/freebsd/chroot.sh');
  const { code, stdout, stderr } = await run(
    undefined,
    ['unshare', '-mn', 'sh', chroot, root, process.execPath, commands],
    {
      timeoutMs: 60_000,
    },
  );
  assert.equal(code, 0, `${stdout}${stderr}`);
  const said = [
    'run by /usr/local/bin/node',
    'next: stunmesh init, then sysrc stunmesh_enable=YES',
    'Starting stunmesh.',
    'run by /usr/local/bin/node',
    'Stopping stunmesh.',
    'Starting stunmesh.',
    'stunmesh is running as pid',
    'Stopping stunmesh.',
  ];
  let at = 0;
  for (const words of said) {
    const found = stdout.indexOf(words, at);
    assert.ok(found >= 0, `${words} is missing after ${at} in:\n${stdout}`);
    at = found + words.length;
  }
  // Only the runtime is left below /usr/local, and nothing below /var.
  assert.match(stdout.slice(at), /^[^/]*\n\/usr\/local\/bin\/node\n$/);
});
