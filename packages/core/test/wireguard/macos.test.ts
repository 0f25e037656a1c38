import assert from 'node:assert/strict';
import { mkdir, readdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Endpoint, hasCode, parsePublicKey } from '#src/api/index.js';
import { createSystemClock } from '#src/runtime/system-clock.js';
import { createMemoryLogger } from '#src/testing/index.js';
import { openWireGuardControl } from '#src/wireguard/index.js';
import { type Lab, type LabDevice, labMissing, openLab } from './lab.js';

const SOCKETS = '/var/run/wireguard';
const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));
const NOWHERE = '/nonexistent/smt';
const { signal } = new AbortController();
const options = { signal };
const endpoint: Endpoint = { family: 4, address: '192.0.2.9', port: 5182 };

/** What macOS has: wireguard-go alone, its socket under the kernel's name, and wg-quick's file beside it. */
suite('as on macOS', { skip: labMissing() ?? false }, () => {
  let lab: Lab;
  let device: LabDevice;
  let folder: string;
  before(async () => {
    lab = await openLab();
    device = await lab.openDevice('m');
    folder = join(lab.folder, 'run');
    await mkdir(folder);
    await symlink(join(SOCKETS, `${device.name}.sock`), join(folder, `${device.name}.sock`));
    await writeFile(join(folder, 'home.name'), `${device.name}\n`);
  });
  after(() => lab?.[Symbol.asyncDispose]());
  const open = () =>
    openWireGuardControl({
      logger: createMemoryLogger(),
      clock: createSystemClock(),
      uapiDir: folder,
      wgCommand: NOWHERE,
    });

  test('F17 a device is read, written and never given a peer by the name that wg-quick gave it, without wg(8)', async () => {
    await using control = open();
    const [present, absent] = [1, 2].map((byte) => parsePublicKey(Buffer.alloc(32, byte).toString('base64')));
    assert.ok(present && absent);
    await device.addPeers([{ publicKey: present, allowedIps: ['10.1.0.1/32'], keepaliveSeconds: 0 }]);
    const before = await control.device('home', options);
    assert.equal(before.name, 'home');
    assert.equal(before.realName, device.name);
    const here = JSON.stringify({ uapiDir: folder, wgCommand: NOWHERE });
    assert.deepEqual(JSON.parse(await lab.exec(process.execPath, CHILD, here, 'devices')), { value: ['home'] });
    const done = await control.setPeerEndpoints(
      'home',
      new Map([present, absent].map((key) => [key, endpoint])),
      options,
    );
    assert.deepEqual([...done], [present]);
    assert.match(await device.wg('show', device.name, 'endpoints'), /192\.0\.2\.9:5182/);
    assert.equal((await device.wg('show', device.name, 'peers')).trim(), present);
    await control.renewPeer('home', present, { ...endpoint, port: 7 }, options);
    assert.match(await device.wg('show', device.name, 'dump'), /192\.0\.2\.9:7\t10\.1\.0\.1\/32/);
  });

  test('F26 a device that comes back under another number is found by its name', async () => {
    await using control = open();
    const other = await lab.openDevice('n');
    await symlink(join(SOCKETS, `${other.name}.sock`), join(folder, `${other.name}.sock`));
    assert.equal((await control.device('home', options)).publicKey, device.publicKey);
    await writeFile(join(folder, 'next'), `${other.name}\n`);
    await rename(join(folder, 'next'), join(folder, 'home.name'));
    const after = await control.device('home', options);
    assert.equal(after.publicKey, other.publicKey);
    assert.equal(after.realName, other.name);
    await rm(join(folder, `${other.name}.sock`));
    await assert.rejects(control.device('home', options), (e: unknown) => hasCode(e, 'ERR_WG_NOT_FOUND'));
    await symlink(join(SOCKETS, `${other.name}.sock`), join(folder, `${other.name}.sock`));
    // The file of a device that ended without wg-quick, whose number went to another one.
    await utimes(join(folder, 'home.name'), 1, 1);
    await assert.rejects(control.device('home', options), (e: unknown) => hasCode(e, 'ERR_WG_DEVICE_NOT_FOUND'));
    assert.ok((await readdir(folder)).includes('home.name'), 'the file is wg-quick’s, not ours to remove');
  });
});
