/** Loading and building the addon, its arguments, and what it says of this machine. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, utimesSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hasCode } from '@stunmesh/core/api';
import { isSystemError, type NativeSocket } from '@stunmesh/core/capture-kit';
import { loadNative } from '#src/native.js';
import { cannotBuild } from './addon-lab.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const skip = cannotBuild ?? false;

test('a missing addon is ERR_CAPTURE_ADDON with the way to build it', () => {
  assert.throws(
    () => loadNative('/nowhere/stunmesh_capture_bsd.node'),
    (error) => {
      assert.ok(hasCode(error, 'ERR_CAPTURE_ADDON'));
      assert.match(String(error), /node \S+native\/build\.mjs --strict/);
      assert.match(String(error), /\bcc -O2 -shared\b/);
      return true;
    },
  );
});

test('the addon refuses wrong arguments and closed sockets by exceptions, never by a crash', { skip }, () => {
  const native = loadNative();
  const calls = native as unknown as Record<string, (...values: unknown[]) => unknown>;
  const { AF_INET, SOCK_DGRAM } = native.constants;
  const junk = [undefined, null, 0, -1, 'text', {}, [], new Uint16Array(2), new Uint8Array(0), () => {}];
  const free = new Set(['listInterfaces', 'openBpf']);
  for (const [name, call] of Object.entries(calls)) {
    if (typeof call !== 'function' || free.has(name)) continue;
    assert.throws(() => call(), TypeError, `${name} without arguments`);
    if (name === 'interfaceName' || name === 'interfaceIndex' || name === 'open') continue;
    for (const value of junk)
      assert.throws(() => call(value, value, value, value), TypeError, `${name}(${String(value)})`);
  }
  const socket = native.open(AF_INET, SOCK_DGRAM, 0);
  for (const value of junk)
    for (const name of ['setOption', 'bind', 'connect', 'send', 'start', 'setBpfFilter', 'attachBpf', 'startFrames'])
      assert.throws(() => calls[name]?.(socket, value, value, value), `${name}(socket, ${String(value)})`);
  assert.throws(() => native.send(socket, new Uint8Array(4), new Uint8Array(4096)), {
    code: 'EINVAL',
    syscall: 'sendto',
  });
  native.close(socket);
  native.close(socket);
  assert.throws(() => native.drain(socket), { code: 'EBADF', syscall: 'recvmsg', errno: -9 });
  assert.throws(() => calls['bpfDataLink']?.(socket), { code: 'EBADF', syscall: 'BIOCGDLT' });
  assert.throws(() => calls['startFrames']?.(socket, () => {}), { code: 'EBADF' });
  assert.equal(native.interfaceName(0), '');
  assert.equal(native.interfaceIndex('a name that is far too long for an interface'), 0);
  assert.throws(() => native.open(9999, SOCK_DGRAM, 0), { code: 'EAFNOSUPPORT', syscall: 'socket' });
});

test('Linux has no /dev/bpf: opening it says so, and no other descriptor is taken for one', { skip }, () => {
  const native = loadNative();
  assert.throws(
    () => native.openBpf(),
    (error) => isSystemError(error) && error.code === 'ENODEV' && error.syscall === 'open',
  );
  const socket = native.open(native.constants.AF_INET, native.constants.SOCK_DGRAM, 0);
  const calls = native as unknown as Record<string, (socket: NativeSocket, ...values: unknown[]) => unknown>;
  for (const [name, ...values] of [
    ['setBpfBuffer', 4096],
    ['setBpfImmediate'],
    ['setBpfFilter', new Uint8Array(8)],
    ['attachBpf', 'lo'],
    ['setBpfIncoming'],
    ['bpfDataLink'],
    ['bpfStatistics'],
    ['startFrames', () => {}],
  ] as const)
    assert.throws(() => calls[name]?.(socket, ...values), isSystemError, name);
  native.close(socket);
});

test('a connected socket sends without an address', { skip }, () => {
  const native = loadNative();
  const { AF_INET, SOCK_DGRAM } = native.constants;
  const receiver = native.open(AF_INET, SOCK_DGRAM, 0);
  const sender = native.open(AF_INET, SOCK_DGRAM, 0);
  native.bind(receiver, Uint8Array.of(2, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0));
  native.connect(sender, native.localAddress(receiver));
  native.send(sender, Uint8Array.of(1, 2, 3), new Uint8Array(0));
  assert.deepEqual(native.receive(receiver, 10), Uint8Array.of(1, 2, 3));
  native.close(receiver);
  native.close(sender);
});

test('interfaces are those of the system, with flags, types and addresses', { skip }, () => {
  const native = loadNative();
  const { IFF_LOOPBACK, IFF_UP, SOCKADDR_HAS_LENGTH, AF_ROUTE } = native.constants;
  const all = native.listInterfaces();
  assert.equal(new Set(all.map(({ name }) => name)).size, all.length, 'each once');
  const loopback = all.find(({ name }) => name === 'lo');
  assert.ok(loopback);
  assert.equal(loopback.flags & IFF_LOOPBACK, IFF_LOOPBACK);
  assert.equal(loopback.type, 772);
  assert.deepEqual(loopback.groups, []);
  assert.equal(native.interfaceIndex('lo'), loopback.index);
  assert.equal(native.interfaceName(loopback.index), 'lo');
  for (const { addresses } of all) for (const bytes of addresses) assert.equal(bytes.length, bytes[0] === 2 ? 16 : 28);
  const known = networkInterfaces()['lo'];
  if (known) assert.equal(loopback.flags & IFF_UP, IFF_UP);
  assert.equal(loopback.addresses.length, known?.length ?? 0);
  assert.deepEqual([SOCKADDR_HAS_LENGTH, AF_ROUTE], [0, 0]);
});

/** A copy of the package with its own build folder, and the real dependencies. */
function copyPackage(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'stunmesh-build-'));
  cpSync(path.join(ROOT, 'native'), path.join(folder, 'native'), { recursive: true });
  cpSync(path.join(ROOT, 'package.json'), path.join(folder, 'package.json'));
  mkdirSync(path.join(folder, 'build'));
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  return folder;
}

function build(folder: string, args: readonly string[] = [], env: Record<string, string> = {}) {
  return spawnSync(process.execPath, [path.join(folder, 'native', 'build.mjs'), ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
}

test('the build makes the addon once, again when a source is newer, and it loads', { skip }, () => {
  const folder = copyPackage();
  try {
    const target = path.join(folder, 'build', 'Release', 'stunmesh_capture_bsd.node');
    assert.equal(build(folder, ['--strict']).status, 0);
    const made = statSync(target);
    assert.equal(typeof loadNative(target).openBpf, 'function');
    assert.equal(build(folder).status, 0);
    assert.equal(statSync(target).ino, made.ino, 'nothing to do');
    const later = new Date(Date.now() + 5000);
    utimesSync(path.join(folder, 'native', 'bpf_reader.h'), later, later);
    assert.equal(build(folder).status, 0);
    assert.notEqual(statSync(target).ino, made.ino, 'made anew');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a prebuild for this system spares the compiler', { skip }, () => {
  const folder = copyPackage();
  try {
    const prebuild = path.join(folder, 'prebuilds', `${process.platform}-${process.arch}`);
    mkdirSync(prebuild, { recursive: true });
    cpSync(
      path.join(ROOT, 'build', 'Release', 'stunmesh_capture_bsd.node'),
      path.join(prebuild, 'stunmesh_capture_bsd.node'),
    );
    const result = build(folder, [], { CC: 'no-such-compiler' });
    assert.equal(result.status, 0);
    assert.equal(result.stderr, '');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('without a compiler the install goes on and shows the line to run; --strict fails', { skip }, () => {
  const folder = copyPackage();
  try {
    for (const [args, status] of [
      [[], 0],
      [['--strict'], 1],
    ] as const) {
      const result = build(folder, args, { CC: 'no-such-compiler' });
      assert.equal(result.status, status);
      assert.match(result.stderr, /there is no C compiler "no-such-compiler"/);
      assert.match(result.stderr, /no-such-compiler -O2 -shared .*capture\.c -o \S+stunmesh_capture_bsd\.node/);
    }
    const failing = build(folder, ['--strict'], { CC: 'false' });
    assert.equal(failing.status, 1);
    assert.match(failing.stderr, /the compiler failed/);
    assert.equal(existsSync(path.join(folder, 'build', 'Release', 'stunmesh_capture_bsd.node')), false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
