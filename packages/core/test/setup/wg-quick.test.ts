/** Reading wg-quick files: what is taken, what is refused, and what never shows (F34). */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isStunmeshError } from '#src/api/index.js';
import { readRunningDevices, readWgQuickFile } from '#src/setup/find-devices.js';
import { parseWgQuick } from '#src/setup/wg-quick.js';
import { createFakeClock, createFakeWireGuard } from '#src/testing/index.js';
import { keyPair } from '../controllers/far-side.js';

const OWN = keyPair('own');
const PRIVATE = Buffer.from(OWN.secretKey.expose()).toString('base64');
const [A, B] = [keyPair('a').publicKey, keyPair('b').publicKey];
const PRESHARED = Buffer.alloc(32, 9).toString('base64');

const FILE = `# the gateway
[Interface]
PrivateKey = ${PRIVATE}
Address = 10.0.0.1/24
listenport=51820
PostUp = iptables -A FORWARD -i %i -j ACCEPT

# Branch office
[Peer]
PublicKey = ${A}   # of the router
PresharedKey = ${PRESHARED}
AllowedIPs = 10.0.0.2/32, 192.168.7.0/24
AllowedIPs = fd00::2/128
PersistentKeepalive = 25
[Peer]
# Name = phone
# Endpoint = 192.0.2.1:51820
PublicKey=${B}
PersistentKeepalive = off
`;

test('a wg-quick file: our public key, port, peers with their allowed IPs, keepalive and name', () => {
  assert.deepEqual(parseWgQuick(FILE, 'wg0.conf'), {
    publicKey: OWN.publicKey,
    listenPort: 51820,
    addresses: ['10.0.0.1'],
    peers: [
      {
        name: 'Branch office',
        publicKey: A,
        allowedIps: ['10.0.0.2/32', '192.168.7.0/24', 'fd00::2/128'],
        keepaliveSeconds: 25,
      },
      { name: 'phone', publicKey: B, allowedIps: [], keepaliveSeconds: 0 },
    ],
  });
});

test('a file may leave its private key to a command; Windows line ends, no ports, no peers are fine', () => {
  assert.deepEqual(parseWgQuick('[Interface]\r\nPostUp = wg set %i private-key /etc/key\r\n', 'x'), {
    listenPort: 0,
    peers: [],
  });
  assert.deepEqual(parseWgQuick('', 'x'), { listenPort: 0, peers: [] });
});

test('what is no name: a setting that was commented out, anything about a key, a remark far above', () => {
  for (const comment of ['Endpoint = a:1', `PrivateKey = ${PRIVATE}`, `old key ${A}`, 'backup key', 'x'.repeat(40)])
    assert.equal(parseWgQuick(`# ${comment}\n[Peer]\nPublicKey = ${A}\n`, 'x').peers[0]?.name, undefined, comment);
  assert.equal(parseWgQuick(`# office\n\n[Peer]\nPublicKey = ${A}\n`, 'x').peers[0]?.name, undefined);
});

test('F34 mistakes are named by line and key; neither the private nor a preshared key is ever quoted', () => {
  const wrong = PRIVATE.slice(0, 40);
  for (const [text, what] of [
    [`[Interface]\nPrivateKey = ${wrong}\n`, 'x.conf:2: PrivateKey is no WireGuard key'],
    [`[Interface]\nPrivateKey ${PRIVATE}\n`, 'x.conf:2: no "Key = value" inside a section'],
    [`PrivateKey = ${PRIVATE}\n`, 'x.conf:1: no "Key = value" inside a section'],
    [`[${PRIVATE}]\n`, 'x.conf:1: a section that is neither [Interface] nor [Peer]'],
    ['[Interface]\nListenPort = 70000\n', 'x.conf:2: ListenPort is not 0 to 65535'],
    [`[Peer]\nPresharedKey = ${PRESHARED}\n`, 'x.conf:1: a [Peer] without PublicKey'],
    [`[Peer]\nPublicKey = ${wrong}\n`, 'x.conf:2: PublicKey is no WireGuard key'],
    [`[Peer]\nPublicKey = ${A}\nAllowedIPs = everything\n`, 'x.conf:3: AllowedIPs holds no prefix'],
    [`[Peer]\nPersistentKeepalive = often\n`, 'x.conf:2: PersistentKeepalive is not 0 to 65535, or off'],
  ] as const)
    assert.throws(
      () => parseWgQuick(text, 'x.conf'),
      (error) => {
        assert.ok(isStunmeshError(error) && error.code === 'ERR_CONFIG_SYNTAX', String(error));
        assert.equal(error.message, what);
        return true;
      },
    );
});

test('the device has the name of its file; other names, folders and files that are not there are explained', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'stunmesh-wgquick-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  await writeFile(join(dir, 'wg-home.conf'), FILE);
  const device = await readWgQuickFile(join(dir, 'wg-home.conf'));
  assert.equal(device.name, 'wg-home');
  assert.equal(JSON.stringify(device).includes(PRIVATE), false);
  for (const name of ['wg0', 'a-name-that-is-too-long.conf'])
    await assert.rejects(readWgQuickFile(join(dir, name)), /names a device by its file/);
  await assert.rejects(readWgQuickFile(join(dir, 'no.conf')), {
    code: 'ERR_CONFIG_READ',
    message: /ENOENT.*check the path/,
  });
  await assert.rejects(readWgQuickFile('/dev/zero.conf'), { code: 'ERR_CONFIG_READ' });
});

test('F34 running devices: all of them or those named, without their keys', async () => {
  const clock = createFakeClock();
  const wg = createFakeWireGuard(clock);
  for (const name of ['wg0', 'wg1'])
    wg.addDevice({ name, ...OWN, peers: [{ publicKey: A, allowedIps: ['10.0.0.2/32'], keepaliveSeconds: 5 }] });
  const signal = new AbortController().signal;
  const all = await readRunningDevices(wg, [], { signal });
  assert.deepEqual(
    all.map(({ name }) => name),
    ['wg0', 'wg1'],
  );
  const [one] = await readRunningDevices(wg, ['wg1'], { signal });
  assert.deepEqual(one?.peers, [{ publicKey: A, allowedIps: ['10.0.0.2/32'], keepaliveSeconds: 5 }]);
  assert.deepEqual(Object.keys(one ?? {}), ['name', 'publicKey', 'listenPort', 'peers']);
  await assert.rejects(readRunningDevices(wg, ['wg9'], { signal }), { code: 'ERR_WG_DEVICE_NOT_FOUND' });
});

test('white space, letters’ case and leading zeros mean nothing, as for wg', () => {
  const text = `[ Interface ]\nListenPort = 051820\n[ Peer ]\nPublicKey = ${A}\nPersistent Keepalive = 0025\n[PEER]\nPublicKey=${B}\nPersistentKeepalive = Off\n`;
  const { listenPort, peers } = parseWgQuick(text, 'x');
  assert.equal(listenPort, 51820);
  assert.deepEqual(
    peers.map(({ keepaliveSeconds }) => keepaliveSeconds),
    [25, 0],
  );
});

test('a key that stands in two [Peer]s is one peer, as for WireGuard', () => {
  const text = `# office\n[Peer]\nPublicKey = ${A}\nAllowedIPs = 10.0.0.2/32\nPersistentKeepalive = 25\n\n[Peer]\nPublicKey = ${A}\nAllowedIPs = 10.1.0.0/16, 10.0.0.2/32\n`;
  assert.deepEqual(parseWgQuick(text, 'x').peers, [
    { name: 'office', publicKey: A, allowedIps: ['10.0.0.2/32', '10.1.0.0/16'], keepaliveSeconds: 25 },
  ]);
});

test('names as set-up scripts write them, above a [Peer], beside it and below it', () => {
  const named = (text: string) => parseWgQuick(text, 'x').peers[0]?.name;
  const peer = `[Peer]\nPublicKey = ${A}\n`;
  for (const [text, name] of [
    [`### Client alice\n${peer}`, 'alice'],
    [`### begin alice ###\n${peer}### end alice ###\n`, 'alice'],
    [`# Client: alice (0b5c7d1e-11aa-4c1e-9d55-3c9e6d2a7f01)\n${peer}`, 'alice'],
    [`# BEGIN_PEER alice\n${peer}# END_PEER alice\n`, 'alice'],
    [`[Peer] # alice\nPublicKey = ${A}\n`, 'alice'],
    [`[Peer]\n# alice@example.org\nPublicKey = ${A}\n`, 'alice@example.org'],
  ] as const)
    assert.equal(named(text), name, text);
  const two = parseWgQuick(`# BEGIN_PEER a\n${peer}# END_PEER a\n[Peer]\nPublicKey = ${B}\n`, 'x').peers;
  assert.deepEqual(
    two.map(({ name }) => name),
    ['a', undefined],
  );
});

test('an Endpoint in a file is noticed, its value is not kept', () => {
  const [peer] = parseWgQuick(`[Peer]\nPublicKey = ${A}\nEndpoint = vpn.example.org:51820\n`, 'x').peers;
  assert.equal(peer?.hasEndpoint, true);
  assert.equal(JSON.stringify(peer).includes('example'), false);
});

test('files of other programs are refused by what they are, with the way that works', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'stunmesh-wgquick-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  for (const [name, text, is] of [
    ['wg0.netdev', '[NetDev]\nKind=wireguard\n', /systemd-networkd/],
    ['wg0.nmconnection', '[connection]\n', /NetworkManager/],
    ['wg0.conf', "config interface 'wg0'\n\toption proto 'wireguard'\n", /UCI/],
    ['wg1.conf', '[NetDev]\nKind=wireguard\n', /systemd-networkd/],
  ] as const) {
    await writeFile(join(dir, name), text);
    await assert.rejects(readWgQuickFile(join(dir, name)), (error: Error) => {
      assert.match(error.message, is);
      assert.match(error.message, /leave --from out: the running device is read then/);
      return true;
    });
  }
});
