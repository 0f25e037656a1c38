/** The prebuilt addons: each is what its platform loads and asks it for nothing unexpected; those that can run here do. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { ROOT } from '../../architecture/source.js';
import { must } from '../lab/index.js';
import { readElf } from './steps/elf.js';
import { FETCH_MS, foreignNode } from './steps/foreign-node.js';
import { readMachO } from './steps/mach-o.js';

const skip = process.platform === 'linux' && process.arch === 'x64' ? false : 'prebuilds are made on Linux x64';

before(
  async () => {
    if (skip === false)
      await must(undefined, [process.execPath, join(ROOT, 'test/tools/prebuild.mjs')], { timeoutMs: FETCH_MS });
  },
  { timeout: FETCH_MS },
);

const SHARED_OBJECT = 3;
const FREEBSD = 9;
const MACHINES = { x64: 62, arm64: 183, arm: 40 } as const;
const ENTRY = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];
/** What every system's C library has had since long before the oldest that is served (on FreeBSD: symbol version FBSD_1.0). */
const C_LIBRARY =
  `bind bzero calloc clock_gettime close connect fcntl free freeifaddrs getifaddrs getsockname getsockopt if_indextoname if_nametoindex
  ioctl malloc memchr memcmp memcpy memmove memset open pipe poll pthread_attr_destroy pthread_attr_init pthread_attr_setstacksize
  pthread_create pthread_join pthread_mutex_lock pthread_mutex_unlock pthread_sigmask read recvmsg sendmsg sendto setsockopt
  sigfillset snprintf socket strcmp strerror strlen strncmp strncpy write`.split(/\s+/);
const LINUX = [...C_LIBRARY, 'pipe2', '__errno_location'];
const BSD = [...C_LIBRARY, '__error'];

const read = (capture: string, platform: string, name: string): Buffer =>
  readFileSync(join(ROOT, 'packages', capture, 'prebuilds', platform, `${name}.node`));

/** What is neither Node's nor allowed. */
const unexpected = (names: readonly string[], allowed: readonly string[]): string[] =>
  names.filter((name) => !/^(napi|node_api)_/.test(name) && !allowed.includes(name));

for (const [arch, libc] of [
  ['x64', 'glibc'],
  ['x64', 'musl'],
  ['arm64', 'glibc'],
  ['arm64', 'musl'],
  ['arm', 'glibc'],
] as const)
  test(`the prebuild for linux-${arch} with ${libc} is a small ELF library that asks for that C library alone`, {
    skip,
  }, () => {
    const file = read('capture-linux', `linux-${arch}`, `stunmesh_capture.${libc}`);
    const elf = readElf(file);
    assert.deepEqual([elf.bits, elf.type, elf.machine], [arch === 'arm' ? 32 : 64, SHARED_OBJECT, MACHINES[arch]]);
    assert.deepEqual(elf.needed, libc === 'musl' ? ['libc.so'] : ['libpthread.so.0', 'libc.so.6']);
    // The C start-up code asks for a profiler where there is one.
    assert.deepEqual(unexpected(elf.undefined, [...LINUX, '__gmon_start__']), []);
    assert.ok(elf.undefined.some((name) => name.startsWith('napi_')));
    assert.deepEqual([...elf.defined].sort(), ENTRY);
    const newest = elf.versions.map((version) => Number(/^GLIBC_2\.(\d+)/.exec(version)?.[1] ?? Number.NaN));
    assert.ok(
      newest.every((minor) => minor <= 28),
      `older systems lack ${elf.versions.join(', ')}`,
    );
    assert.ok(libc === 'glibc' ? newest.length > 0 : newest.length === 0);
    assert.ok(file.length < 100_000, `${file.length} bytes`);
  });

for (const arch of ['x64', 'arm64'] as const) {
  test(`the prebuild for freebsd-${arch} is an ELF library of FreeBSD that asks for FBSD_1.0 functions alone`, {
    skip,
  }, () => {
    const elf = readElf(read('capture-bsd', `freebsd-${arch}`, 'stunmesh_capture_bsd'));
    assert.deepEqual([elf.bits, elf.type, elf.machine, elf.osabi], [64, SHARED_OBJECT, MACHINES[arch], FREEBSD]);
    // Node and Bun bring the C library and its threads along; symbols without a version mean the default one.
    assert.deepEqual([elf.needed, elf.versions], [[], []]);
    assert.deepEqual(unexpected(elf.undefined, BSD), []);
    assert.deepEqual([...elf.defined].sort(), ENTRY);
  });

  test(`the prebuild for darwin-${arch} is a Mach-O library that takes Node-API from whoever loads it`, {
    skip,
  }, () => {
    const file = readMachO(read('capture-bsd', `darwin-${arch}`, 'stunmesh_capture_bsd'));
    assert.deepEqual([file.cpu, file.oldest], [arch, '11.0']);
    assert.ok([6, 8].includes(file.fileType), `file type ${file.fileType}`);
    assert.deepEqual(file.libraries, ['/usr/lib/libSystem.B.dylib']);
    assert.equal(file.installName, '@rpath/stunmesh_capture_bsd.node');
    const names = file.undefined.map(({ name }) => name.replace(/^_/, ''));
    assert.deepEqual(unexpected(names, [...BSD, '__bzero', '__memcpy_chk', 'dyld_stub_binder']), []);
    for (const { name, library } of file.undefined)
      assert.equal(library, /^_(napi|node_api)_/.test(name) ? 0xfe : 1, name);
    for (const name of ENTRY) assert.ok(file.defined.includes(`_${name}`), name);
    if (arch === 'arm64') assert.ok(file.signed, 'Apple silicon loads nothing without a signature');
  });
}

for (const arch of ['arm64', 'arm'] as const)
  test(`the prebuild for linux-${arch} runs under qemu: it sends a packet to itself`, {
    skip,
    timeout: FETCH_MS,
  }, async () => {
    const addon = join(ROOT, 'packages/capture-linux/prebuilds', `linux-${arch}`, 'stunmesh_capture.glibc.node');
    const command = [...(await foreignNode(`linux-${arch}`)), join(ROOT, 'test/fixtures/e2e/use-addon.mjs'), addon];
    assert.equal(await must(undefined, command, { timeoutMs: 60_000 }), `linux ${arch}\n`);
  });

test('the prebuild for this machine is found by node-gyp-build, spares the compiler and works', { skip }, async () => {
  await using folder = await temporaryFolder();
  const site = join(folder.path, 'capture');
  const from = join(ROOT, 'packages/capture-linux');
  await mkdir(site);
  for (const name of ['package.json', 'native', 'prebuilds', 'dist'])
    await cp(join(from, name), join(site, name), { recursive: true });
  await symlink(join(from, 'node_modules'), join(site, 'node_modules'));
  // Whatever it compiled would fail.
  await must(undefined, [process.execPath, join(site, 'native/build.mjs')], { env: { CC: 'false' } });
  assert.deepEqual((await readdir(site)).sort(), ['dist', 'native', 'node_modules', 'package.json', 'prebuilds']);
  const look = `const { default: capture } = await import(${JSON.stringify(join(site, 'dist/index.js'))});
    process.stdout.write(JSON.stringify(await capture.listInterfaces()));`;
  assert.match(await must(undefined, [process.execPath, '--input-type=module', '-e', look]), /"name":"lo"/);
});

test('npm runs a script named prebuild before build by itself: nothing is compiled then', { skip }, async () => {
  await using folder = await temporaryFolder();
  const script = `node ${join(ROOT, 'test/tools/prebuild.mjs')}`;
  await writeFile(
    join(folder.path, 'package.json'),
    JSON.stringify({ scripts: { prebuild: script, build: 'echo built' } }),
  );
  const options = { cwd: folder.path, timeoutMs: FETCH_MS };
  const byHook = await must(undefined, ['npm', 'run', 'build'], options);
  assert.match(byHook, /^built$/m);
  assert.doesNotMatch(byHook, /linux-x64/);
  assert.match(await must(undefined, ['npm', 'run', 'prebuild'], options), /^linux-x64 .*\n[\s\S]*^darwin-arm64 /m);
});

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'prebuilds-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
