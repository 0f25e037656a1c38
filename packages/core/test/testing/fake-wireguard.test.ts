import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { type Endpoint, hasCode, StunmeshError } from '#src/api/index.js';
import { createFakeClock, createFakeWireGuard, fakePublicKey } from '#src/testing/index.js';

const options = { signal: new AbortController().signal };
const endpoint: Endpoint = { family: 4, address: '192.0.2.1', port: 7 };
const PEER = fakePublicKey('peer');

function open() {
  const clock = createFakeClock();
  const fake = createFakeWireGuard(clock);
  fake.addDevice({ name: 'wg0', peers: [{ publicKey: PEER, allowedIps: ['10.0.0.1/32'], keepaliveSeconds: 25 }] });
  return { clock, fake };
}

test('calls are recorded in order, writes with what they wrote', async () => {
  const { fake } = open();
  await fake.device('wg0', options);
  await fake.setPeerEndpoints(
    'wg0',
    new Map([
      [PEER, endpoint],
      [fakePublicKey('stranger'), endpoint],
    ]),
    options,
  );
  await fake.renewPeer('wg0', PEER, endpoint, options);
  await fake.setPeerKeepalive('wg0', PEER, 5, options);
  assert.deepEqual(
    fake.calls.map(({ method }) => method),
    ['device', 'setPeerEndpoints', 'renewPeer', 'setPeerKeepalive'],
  );
  assert.deepEqual(fake.writes, [
    { method: 'setPeerEndpoints', device: 'wg0', endpoints: new Map([[PEER, endpoint]]) },
    { method: 'renewPeer', device: 'wg0', peer: PEER, endpoint },
    { method: 'setPeerKeepalive', device: 'wg0', peer: PEER, keepaliveSeconds: 5 },
  ]);
});

test('a handshake moves time and counters, traffic the counters, a kick makes one initiation in 5 s', async () => {
  const { fake, clock } = open();
  assert.equal(fake.kick('wg0', PEER), false, 'no endpoint');
  await fake.renewPeer('wg0', PEER, endpoint, options);
  assert.equal(fake.kick('wg0', PEER), true);
  assert.equal(fake.kick('wg0', PEER), false);
  await clock.advance(5_000);
  assert.equal(fake.kick('wg0', PEER), true);
  assert.equal(fake.peer('wg0', PEER)?.txBytes, 296);
  fake.handshake('wg0', PEER);
  fake.traffic('wg0', PEER, { rxBytes: 1, txBytes: 2 });
  const peer = fake.peer('wg0', PEER);
  assert.equal(peer?.latestHandshakeAt, clock.wallNow());
  assert.deepEqual([peer?.rxBytes, peer?.txBytes], [93, 446]);
});

test('fail() and hang() last as many calls as told, also one after the other', async () => {
  const { fake } = open();
  fake.fail('device', new StunmeshError('ERR_WG_FAILED', 'a'), 2);
  fake.hang('device');
  for (let i = 0; i < 2; i += 1)
    await assert.rejects(fake.device('wg0', options), (e: unknown) => hasCode(e, 'ERR_WG_FAILED'));
  const caller = new AbortController();
  const call = fake.device('wg0', caller).catch((e: unknown) => e);
  const reason = new Error('enough');
  caller.abort(reason);
  assert.equal(await call, reason);
  await fake.device('wg0', options);
  assert.equal(fake.calls.length, 4, 'those that failed are recorded too');
});

test('devices come, go and change; peers too', async () => {
  const { fake } = open();
  const before = await fake.device('wg0', options);
  fake.changeDevice('wg0', { listenPort: 9, publicKey: fakePublicKey('other') });
  fake.addPeer('wg0', { publicKey: fakePublicKey('b') });
  fake.changePeer('wg0', PEER, { endpoint });
  const after = await fake.device('wg0', options);
  assert.deepEqual([before.listenPort, after.listenPort], [51820, 9]);
  assert.deepEqual([before.peers.size, after.peers.size], [1, 2]);
  assert.equal(before.peers.get(PEER)?.endpoint, undefined);
  fake.removePeer('wg0', PEER);
  assert.equal(fake.peer('wg0', PEER), undefined);
  fake.removeDevice('wg0');
  await assert.rejects(fake.device('wg0', options), (e: unknown) => hasCode(e, 'ERR_WG_DEVICE_NOT_FOUND'));
  assert.deepEqual(await fake.devices(options), []);
  await fake[Symbol.asyncDispose]();
  await assert.rejects(fake.devices(options), (e: unknown) => hasCode(e, 'ERR_CLOSED'));
});

test('onWrite() lets a test script the other side', async () => {
  const { fake } = open();
  const off = fake.onWrite(({ method, device = '', endpoints = new Map() }) => {
    if (method === 'setPeerEndpoints') for (const key of endpoints.keys()) fake.handshake(device, key);
  });
  await fake.setPeerEndpoints('wg0', new Map([[PEER, endpoint]]), options);
  const first = fake.peer('wg0', PEER)?.txBytes;
  off();
  await fake.setPeerEndpoints('wg0', new Map([[PEER, endpoint]]), options);
  assert.equal(fake.peer('wg0', PEER)?.txBytes, first);
});

test('F34 the secret key of a device shows itself as [secret]', async () => {
  const { fake } = open();
  const device = await fake.device('wg0', options);
  assert.match(inspect(device), /secretKey: \[secret\]/);
});
