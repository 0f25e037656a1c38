/** Loading and building the addon: what is said when it is missing, and how its one cc line behaves. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hasCode } from '@stunmesh/core/api';
import { createCapture } from '#src/index.js';
import { loadNative } from '#src/native.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const never = new AbortController().signal;
const onlyLinux = { skip: process.platform === 'linux' ? false : 'needs Linux' };
const withCompiler = {
  skip: onlyLinux.skip || (spawnSync('cc', ['--version']).status === 0 ? false : 'needs a C compiler'),
};

test('a missing addon is ERR_CAPTURE_ADDON with the way to build it, and importing the package is no error', async () => {
  const capture = createCapture({ addonPath: '/nowhere/stunmesh_capture.node' });
  const calls = [
    capture.listInterfaces(),
    capture.watchNetwork({ onChange: () => {}, onFault: () => {} }),
    capture.openEchoSocket({ family: 4, device: 'lo', onPacket: () => {}, onFault: () => {} }),
    capture.openStunSocket({
      family: 4,
      localPort: 1,
      excludeDevice: '',
      firewallMark: 0,
      signal: never,
      onMessage: () => {},
      onFault: () => {},
    }),
  ];
  for (const call of calls)
    await assert.rejects(call, (error) => {
      assert.ok(hasCode(error, 'ERR_CAPTURE_ADDON'));
      assert.match(String(error), /node \S+native\/build\.mjs --strict/);
      assert.match(String(error), /\bcc -O2 -shared\b/);
      return true;
    });
});

test('the addon refuses wrong arguments and closed sockets by exceptions, never by a crash', onlyLinux, () => {
  const native = loadNative();
  const calls = native as unknown as Record<string, (...values: unknown[]) => unknown>;
  const { AF_NETLINK, SOCK_RAW, NETLINK_ROUTE } = native.constants;
  const junk = [undefined, null, 0, -1, 'text', {}, [], new Uint16Array(2), new Uint8Array(0), () => {}];
  for (const [name, call] of Object.entries(calls)) {
    if (typeof call !== 'function') continue;
    assert.throws(() => call(), TypeError, `${name} without arguments`);
    if (name === 'interfaceName' || name === 'interfaceIndex' || name === 'open') continue;
    for (const value of junk)
      assert.throws(() => call(value, value, value, value), TypeError, `${name}(${String(value)})`);
  }
  const socket = native.open(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  for (const value of junk) {
    for (const name of ['setOption', 'attachFilter', 'bind', 'connect', 'send', 'start'])
      assert.throws(() => calls[name]?.(socket, value, value, value), `${name}(socket, ${String(value)})`);
  }
  assert.throws(() => native.send(socket, new Uint8Array(4), new Uint8Array(4096)), {
    code: 'EINVAL',
    syscall: 'sendto',
  });
  assert.throws(() => native.attachFilter(socket, new Uint8Array(7)), { code: 'EINVAL' });
  native.close(socket);
  native.close(socket);
  assert.throws(() => native.drain(socket), { code: 'EBADF', syscall: 'recvmsg', errno: -9 });
  assert.throws(() => native.start(socket, 100, () => {}), { code: 'EBADF' });
  assert.equal(native.interfaceName(0), '');
  assert.equal(native.interfaceIndex('a name that is far too long for an interface'), 0);
  assert.throws(() => native.open(9999, SOCK_RAW, 0), { code: 'EAFNOSUPPORT', syscall: 'socket' });
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

test('the build makes the addon once, again when a source is newer, and it loads', withCompiler, () => {
  const folder = copyPackage();
  try {
    const target = path.join(folder, 'build', 'Release', 'stunmesh_capture.node');
    assert.equal(build(folder, ['--strict']).status, 0);
    const made = statSync(target);
    assert.equal(typeof loadNative(target).open, 'function');
    assert.equal(build(folder).status, 0);
    assert.equal(statSync(target).ino, made.ino, 'nothing to do');
    const later = new Date(Date.now() + 5000);
    utimesSync(path.join(folder, 'native', 'capture.c'), later, later);
    assert.equal(build(folder).status, 0);
    assert.notEqual(statSync(target).ino, made.ino, 'made anew');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('without a compiler the install goes on and shows the line to run; --strict fails', onlyLinux, () => {
  const folder = copyPackage();
  try {
    for (const [args, status] of [
      [[], 0],
      [['--strict'], 1],
    ] as const) {
      const result = build(folder, args, { CC: 'no-such-compiler' });
      assert.equal(result.status, status);
      assert.match(result.stderr, /there is no C compiler "no-such-compiler"/);
      assert.match(result.stderr, /no-such-compiler -O2 -shared .*capture\.c -o \S+stunmesh_capture\.node/);
    }
    const failing = build(folder, ['--strict'], { CC: 'false' });
    assert.equal(failing.status, 1);
    assert.match(failing.stderr, /the compiler failed/);
    assert.equal(existsSync(path.join(folder, 'build', 'Release', 'stunmesh_capture.node')), false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
