/** The device comes, goes and changes under the daemon (F25, F26), the daemon ends (F32, F41), and nothing leaks (F34). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { StunmeshError } from '#src/api/index.js';
import { formatEndpoint, parseEndpoint } from '#src/net/index.js';
import { keyPair } from './far-side.js';
import { createHarness, farEndpoint, type Harness, OWN4 } from './harness.js';

const T = 1_800_000_000;
const published = (h: Harness) => {
  const endpoint = h.peer().ourRecord()?.ipv4;
  return endpoint && formatEndpoint(endpoint);
};

test('F25 a peer that never shook hands has no handshake time, and bytes alone do not connect it', async () => {
  const h = createHarness();
  await h.start();
  const endpoint = parseEndpoint(farEndpoint(0));
  assert.ok(endpoint);
  h.wg.changePeer('wg0', h.peer().keys.publicKey, { endpoint, rxBytes: 92, txBytes: 148 });
  await h.advance(5_000);
  assert.notEqual(h.entry().phase, 'connected');
  const peer = h.snapshot().devices[0]?.peers[0];
  assert.equal(peer && 'latestHandshakeAt' in peer, false);
});

test('F26 a device that is missing at the start is said so, waited for, and taken up without a restart', async () => {
  const h = createHarness({ present: false });
  await h.start();
  await h.advance(30_000);
  assert.equal(h.device.faults.get('device')?.code, 'ERR_WG_DEVICE_NOT_FOUND');
  assert.equal(h.snapshot().devices[0]?.state, 'missing');
  assert.equal(h.logger.lines.filter((l) => l.level === 'warn').length, 1, 'said once');
  assert.deepEqual(h.only('discover', 'get', 'publish'), []);
  h.addDevice();
  await h.advance(10_000);
  await h.connect();
  assert.equal(h.entry().phase, 'connected');
  assert.equal(published(h), OWN4);
  assert.equal(h.device.faults.size, 0);
});

test('F26 while the device is missing it is looked for ever slower, at least every ten seconds', async () => {
  const h = createHarness({ present: false });
  await h.start();
  await h.advance(3_600_000);
  const before = h.wg.calls.length;
  await h.advance(60_000);
  const looks = h.wg.calls.length - before;
  assert.ok(looks >= 6 && looks <= 8, `${looks}`);
});

test('F26 a new listen port: discovered and published again from the new one', async () => {
  const h = createHarness({ refreshIntervalMs: 3_600_000 });
  await h.start();
  await h.connect();
  h.forget();
  h.mappings.set(4, '203.0.113.9:41111');
  h.wg.changeDevice('wg0', { listenPort: 51999 });
  await h.advance(11_000);
  assert.ok(h.only('discover').length >= 1);
  assert.equal(published(h), '203.0.113.9:41111');
  assert.equal(h.snapshot().devices[0]?.listenPort, 51999);
});

test('F26 a new firewall mark leads to a new discovery', async () => {
  const h = createHarness({ refreshIntervalMs: 3_600_000 });
  await h.start();
  await h.connect();
  h.forget();
  h.wg.changeDevice('wg0', { firewallMark: 51 });
  await h.advance(11_000);
  assert.ok(h.only('discover').length >= 1);
});

test('F26 a device with a new key: sealed and published anew, read under the new key', async () => {
  const h = createHarness({ refreshIntervalMs: 3_600_000 });
  await h.start();
  await h.connect();
  h.forget();
  h.addDevice(keyPair('own, later'));
  h.peer().answersAt = undefined;
  await h.advance(11_000);
  assert.equal(published(h), OWN4, 'opens with the new key, in the new place');
  await h.connect(0, '192.0.2.44:44');
  assert.equal(h.entry().phase, 'connected');
});

test('F26 a device that is deleted and created again is taken up again', async () => {
  const h = createHarness({ refreshIntervalMs: 3_600_000 });
  await h.start();
  await h.connect();
  h.wg.removeDevice('wg0');
  await h.advance(30_000);
  assert.equal(h.snapshot().devices[0]?.state, 'missing');
  assert.equal(h.entry().phase, 'waiting');
  h.addDevice();
  h.forget();
  await h.advance(15_000);
  assert.equal(h.entry().phase, 'connected', 'by the record that is in the store');
  assert.ok(h.only('discover').length >= 1);
});

test('F26 a device that is replaced between two readings does not inherit the signs of life of the old one', async () => {
  const h = createHarness({ keepaliveSeconds: 25 });
  await h.start();
  await h.connect();
  h.peer().answersAt = undefined;
  h.addDevice();
  await h.advance(240_000);
  assert.notEqual(h.entry().phase, 'connected');
});

test('F26 a reading that fails for another reason does not mean that the device is gone', async () => {
  const h = createHarness({ keepaliveSeconds: 25 });
  await h.start();
  await h.connect();
  h.forget();
  h.wg.fail('device', new StunmeshError('ERR_WG_FAILED', 'busy'), 3);
  await h.live(20_000);
  assert.equal(h.device.faults.get('device')?.code, 'ERR_WG_FAILED');
  assert.deepEqual(h.events, [], 'nothing happened to the tunnel');
  assert.deepEqual(h.only('discover', 'get', 'publish', 'set', 'kick'), []);
  assert.equal(h.entry().phase, 'connected');
  await h.live(60_000);
  assert.equal(h.device.faults.size, 0);
});

test('F26 a reading that hangs is given up, and the next one comes', async () => {
  const h = createHarness();
  h.wg.hang('device', 2);
  await h.start();
  await h.connect();
  await h.advance(15_000);
  assert.equal(h.entry().phase === 'connected' || h.entry().phase === 'idle', true);
});

test('F26 a peer that is taken off the device and put back connects again', async () => {
  const h = createHarness();
  const { publicKey } = h.peer().keys;
  await h.start();
  await h.connect();
  h.wg.removePeer('wg0', publicKey);
  await h.advance(30_000);
  assert.equal(h.entry().fault?.code, 'ERR_WG_PEER_NOT_FOUND');
  h.wg.addPeer('wg0', { publicKey, allowedIps: ['10.99.1.1/32'] });
  await h.advance(20_000);
  assert.equal(h.entry().phase, 'connected');
  assert.equal(h.entry().fault, undefined);
});

test('F32 a store that is down at the start is tried again, and the daemon runs', async () => {
  const h = createHarness();
  const main = h.stores.get('main');
  assert.ok(main);
  main.failure = new Error('connection refused');
  await h.start();
  await h.advance(30_000);
  main.failure = undefined;
  await h.connect();
  await h.advance(60_000);
  assert.ok(h.peer().ourRecord());
  assert.ok(h.entry().phase === 'connected' || h.entry().phase === 'idle');
});

for (const [what, hang] of [
  ['a store hangs in get', (h: Harness) => void h.delays.set('main get', Number.POSITIVE_INFINITY)],
  ['a store hangs in set', (h: Harness) => void h.delays.set('main set', Number.POSITIVE_INFINITY)],
  ['WireGuard hangs', (h: Harness) => h.wg.hang('device', 100)],
  ['a write to WireGuard hangs', (h: Harness) => h.wg.hang('setPeerEndpoints', 100)],
  ['a discovery hangs', (h: Harness) => void Object.assign(h, { stuckDiscovery: true })],
] as const) {
  test(`F41 the engine ends within two seconds though ${what}`, async () => {
    const h = createHarness({ peers: 3 });
    for (const [index, far] of h.far.entries()) await far.publish({ ipv4: farEndpoint(index), t: T });
    hang(h);
    await h.start();
    await h.advance(1_200);
    assert.equal(await h.stop(1_900), true);
    const { length } = h.steps;
    await h.advance(60_000);
    assert.equal(h.steps.length, length, 'nothing is done afterwards');
  });
}

test('F41 after the end no timer, socket, watch or watcher is left', async () => {
  const h = createHarness({ peers: 3 });
  await h.start();
  await h.connect();
  assert.equal(await h.stop(), true);
  await h.advance(60_000);
  assert.equal(h.capture.stunSockets.size, 0);
  assert.equal(h.capture.echoSockets.size, 0);
  assert.equal(h.capture.watchers, 0);
  assert.equal(h.clock.pending, 0);
});

test('F34 no key and no sealed record in log, events or snapshot, also when everything goes wrong', async () => {
  const h = createHarness({ peers: 3 });
  await h.start();
  await h.connect();
  await h.peer(1).store(h.peer(0).ourSealed() ?? '');
  await h.peer(2).store('feedfacefeedface'.repeat(20));
  await h.advance(20_000);
  const main = h.stores.get('main');
  assert.ok(main);
  main.failure = new Error('down');
  await h.session.refresh();
  await h.advance(20_000);
  const text = [
    h.logger.text(),
    JSON.stringify(h.events),
    JSON.stringify(h.snapshot()),
    inspect(h.device, { depth: 10 }),
  ].join('\n');
  for (const pair of [h.own, ...h.far.map((f) => f.keys)]) {
    const bytes = Buffer.from(pair.secretKey.expose());
    assert.equal(text.includes(bytes.toString('base64')), false);
    assert.equal(text.includes(bytes.toString('hex')), false);
  }
  for (const value of main.records.values()) {
    assert.equal(text.includes(value), false);
    assert.equal(text.includes(value.slice(0, 40)), false);
  }
  assert.ok(h.logger.lines.length > 5, 'it did say something');
});
