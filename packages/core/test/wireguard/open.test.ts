import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { getEventListeners } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Endpoint, hasCode, type PublicKey, type WireGuardControl } from '#src/api/index.js';
import { createSystemClock } from '#src/runtime/system-clock.js';
import { createMemoryLogger, settle } from '#src/testing/index.js';
import { openWireGuardControl } from '#src/wireguard/index.js';
import { type Lab, type LabDevice, labMissing, openLab } from './lab.js';

const SOCKETS = '/var/run/wireguard';
const NOWHERE = '/nonexistent/smt';
const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));
const NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
const run = promisify(execFile);
const { signal } = new AbortController();
const options = { signal };
const code = (wanted: string) => (error: unknown) => hasCode(error, wanted as `ERR_${string}`);

const open = (more: { uapiDir?: string; wgCommand?: string } = {}) =>
  openWireGuardControl({ logger: createMemoryLogger(), clock: createSystemClock(), ...more });

test('F32 opening touches nothing, closing is idempotent, a closed control says ERR_CLOSED', async () => {
  const control = open({ uapiDir: NOWHERE, wgCommand: `${NOWHERE}/wg` });
  await control[Symbol.asyncDispose]();
  await control[Symbol.asyncDispose]();
  await assert.rejects(control.device('wg0', options), code('ERR_CLOSED'));
  await assert.rejects(control.devices(options), code('ERR_CLOSED'));
});

test('closing ends a call that is under way, and waits for its end', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'smt-open-'));
  const server = createServer();
  try {
    await new Promise<void>((resolve) => server.listen(join(folder, 'wg0.sock'), resolve));
    const asked = new Promise<void>((resolve) => {
      server.once('connection', (socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => resolve());
      });
    });
    const control = open({ uapiDir: folder, wgCommand: NOWHERE });
    let ended: unknown;
    const call = control.device('wg0', options).catch((error: unknown) => {
      ended = error;
    });
    await asked;
    await control[Symbol.asyncDispose]();
    assert.ok(hasCode(ended, 'ERR_CLOSED'));
    await call;
  } finally {
    server.close();
    await rm(folder, { recursive: true });
  }
});

test('devices() passes on what is wrong with wg(8), unless it is only missing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'smt-open-'));
  try {
    await writeFile(join(folder, 'wg0.sock'), '');
    await writeFile(join(folder, 'wg'), '#!/bin/sh\nexit 3\n', { mode: 0o755 });
    const broken = open({ uapiDir: folder, wgCommand: join(folder, 'wg') });
    await assert.rejects(broken.devices(options), code('ERR_WG_FAILED'));
    assert.ok(Array.isArray(await open({ uapiDir: folder, wgCommand: NOWHERE }).devices(options)));
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('many calls at once leave no listeners behind and warn of none', async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  const control = open({ uapiDir: NOWHERE, wgCommand: NOWHERE });
  const each = Array.from({ length: 50 }, () => new AbortController());
  await Promise.allSettled(each.map((caller) => control.device('wg0', caller)));
  await settle();
  process.off('warning', onWarning);
  assert.deepEqual(warnings, []);
  for (const { signal } of each) assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('F39 no wg in PATH and no socket: ERR_WG_NOT_FOUND from device() and devices()', async () => {
  const env = { PATH: NOWHERE };
  for (const verb of ['device', 'devices']) {
    const { stdout } = await run(process.execPath, [CHILD, JSON.stringify({ uapiDir: NOWHERE }), verb, 'wg0'], { env });
    const outcome = JSON.parse(stdout) as { code: string; message: string };
    assert.equal(outcome.code, 'ERR_WG_NOT_FOUND');
    assert.match(outcome.message, /"wg".*apt install wireguard-tools/);
  }
});

suite('with real devices', { skip: labMissing() ?? false }, () => {
  let lab: Lab;
  before(async () => {
    lab = await openLab();
  });
  after(() => lab?.[Symbol.asyncDispose]());

  test('a device with a socket needs no wg(8), one whose socket is not there is left to it', async () => {
    const device = await lab.openDevice('a');
    assert.equal((await open({ wgCommand: NOWHERE }).device(device.name, options)).publicKey, device.publicKey);
    assert.equal((await open({ uapiDir: NOWHERE }).device(device.name, options)).publicKey, device.publicKey);
    await assert.rejects(open().device('smtnone', options), code('ERR_WG_DEVICE_NOT_FOUND'));
  });

  test('a folder of sockets that is closed to this user leaves the device to wg(8)', async () => {
    const device = await lab.openDevice('i');
    const folder = join(lab.folder, 'closed');
    await mkdir(folder, { mode: 0o700 });
    const wg = join(lab.folder, 'wg');
    await lab.exec('chmod', '711', lab.folder);
    await writeFile(wg, `#!/bin/sh\nprintf '%s' '${await device.wg('show', device.name, 'dump')}'\n`, { mode: 0o755 });
    for (const [wgCommand, wanted] of [
      [wg, 'value'],
      [NOWHERE, 'ERR_WG_PERMISSION'],
    ] as const) {
      const options = JSON.stringify({ uapiDir: folder, wgCommand });
      const outcome = JSON.parse(await lab.exec(...NOBODY, process.execPath, CHILD, options, 'device', device.name));
      assert.equal(outcome.code ?? 'value', wanted);
    }
  });

  test('F26 a device that is re-keyed, moved to another port or marked is read afresh, one that goes and comes is found', async () => {
    const control = open();
    const device = await lab.openDevice('b');
    const first = await control.device(device.name, options);
    const file = join(lab.folder, 'other.key');
    await writeFile(file, (await lab.exec('wg', 'genkey')).trim(), { mode: 0o600 });
    await device.wg('set', device.name, 'private-key', file, 'fwmark', '0x77', 'listen-port', '0');
    const second = await control.device(device.name, options);
    assert.notEqual(second.publicKey, first.publicKey);
    assert.equal(second.secretKey.equals(first.secretKey), false);
    assert.equal(second.firewallMark, 0x77);
    await device.remove();
    await assert.rejects(control.device(device.name, options), code('ERR_WG_DEVICE_NOT_FOUND'));
    const again = await lab.openDevice('b');
    assert.equal((await control.device(again.name, options)).publicKey, again.publicKey);
  });

  test('F26 a device whose process died leaves a dead socket: ERR_WG_DEVICE_NOT_FOUND, not a hang', async () => {
    const device = await lab.openDevice('c');
    const elsewhere = join(lab.folder, 'dead');
    await mkdir(elsewhere);
    await symlink(join(SOCKETS, `${device.name}.sock`), join(elsewhere, `${device.name}.sock`));
    await device.kill();
    await assert.rejects(open().device(device.name, options), code('ERR_WG_DEVICE_NOT_FOUND'));
    await assert.rejects(open({ uapiDir: elsewhere }).device(device.name, options), code('ERR_WG_DEVICE_NOT_FOUND'));
  });

  test('a name that NAME.name maps to another is read by that one (wg-quick on macOS)', async () => {
    const device = await lab.openDevice('d');
    const folder = join(lab.folder, 'mac');
    await mkdir(folder);
    await writeFile(join(folder, 'home.name'), `${device.name}\n`);
    await symlink(join(SOCKETS, `${device.name}.sock`), join(folder, `${device.name}.sock`));
    const bySocket = await open({ uapiDir: folder, wgCommand: NOWHERE }).device('home', options);
    assert.equal(bySocket.name, 'home');
    assert.equal(bySocket.realName, device.name);
    await writeFile(join(folder, 'bad.name'), '../../etc\n');
    await assert.rejects(
      open({ uapiDir: folder }).device('bad', options),
      /"\.\.\/\.\.\/etc" is no WireGuard device's name/,
    );
  });

  test('devices() leaves out those of other namespaces, whose sockets lie in the same folder', async () => {
    const device = await lab.openDevice('e');
    assert.equal((await open().devices(options)).includes(device.name), false);
    for (const wgCommand of ['wg', NOWHERE]) {
      const inside = await lab.exec(process.execPath, CHILD, JSON.stringify({ wgCommand }), 'devices');
      const names = (JSON.parse(inside) as { value: string[] }).value;
      assert.ok(names.includes(device.name), inside);
      assert.ok(
        names.every((name) => name.startsWith(`smt${process.pid}`)),
        inside,
      );
    }
  });

  test('F39 not root: ERR_WG_PERMISSION with the remedy, by the socket and by wg(8)', async () => {
    const device = await lab.openDevice('f');
    for (const uapiDir of [SOCKETS, NOWHERE]) {
      const argv = [...NOBODY, process.execPath, CHILD, JSON.stringify({ uapiDir }), 'device', device.name];
      const outcome = JSON.parse(await lab.exec(...argv)) as { code: string; message: string };
      assert.equal(outcome.code, 'ERR_WG_PERMISSION', uapiDir);
      assert.match(outcome.message, uapiDir === NOWHERE ? /as root or with CAP_NET_ADMIN/ : /as root or as the owner/);
    }
  });

  test('F25 two devices shake hands by endpoints that were set: the time appears, the counters grow', async () => {
    const a = await lab.openDevice('g', { routed: true });
    const b = await lab.openDevice('h');
    const control = open();
    await a.addPeers([{ publicKey: b.publicKey, allowedIps: ['10.9.0.1/32'], keepaliveSeconds: 0 }]);
    await b.addPeers([{ publicKey: a.publicKey, allowedIps: ['10.9.0.2/32'], keepaliveSeconds: 0 }]);
    const before = (await control.device(a.name, options)).peers.get(b.publicKey);
    assert.equal(before?.latestHandshakeAt, undefined);
    const endpoint: Endpoint = { family: 4, address: '127.0.0.1', port: b.listenPort };
    await control.setPeerEndpoints(a.name, new Map([[b.publicKey, endpoint]]), options);
    await lab.exec('ping', '-c1', '-W0.01', '10.9.0.1').catch(() => undefined);
    const peer = await connected(control, a, b.publicKey);
    const age = Date.now() - (peer.latestHandshakeAt ?? 0);
    assert.ok(age >= 0 && age < 60_000, `handshake ${age} ms ago`);
    assert.ok(peer.rxBytes >= 92 && peer.txBytes >= 148);
    const seen = await connected(open({ uapiDir: NOWHERE }), a, b.publicKey);
    assert.equal(Math.floor((peer.latestHandshakeAt ?? 0) / 1000) * 1000, seen.latestHandshakeAt);
  });
});

async function connected(control: WireGuardControl, device: LabDevice, peer: PublicKey) {
  for (const end = performance.now() + 60_000; performance.now() < end; ) {
    const seen = (await control.device(device.name, options)).peers.get(peer);
    if (seen?.latestHandshakeAt !== undefined) return seen;
  }
  assert.fail('no handshake');
}
