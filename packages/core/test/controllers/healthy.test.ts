/** A tunnel that works is left alone (F16), and an idle one costs nothing (F42b). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatEndpoint, parseEndpoint } from '#src/net/index.js';
import { createHarness, farEndpoint } from './harness.js';

const REFRESH_MS = 60_000;

test('F16 a connected peer gets no endpoint, renewal, kick or punch in ten refreshes', async () => {
  const h = createHarness({ peers: 3, refreshIntervalMs: REFRESH_MS, keepaliveSeconds: 25 });
  await h.start();
  for (const index of [0, 1, 2]) await h.connect(index);
  h.forget();
  await h.live(10 * REFRESH_MS);
  assert.deepEqual(h.only('set', 'renew', 'kick', 'punch', 'keepalive', 'publish'), []);
  assert.ok(h.device.peers.every((p) => p.phase === 'connected'));
});

test('F16 the record of a connected peer changes at every refresh: nothing is set, nothing renewed', async () => {
  const h = createHarness({ refreshIntervalMs: REFRESH_MS, keepaliveSeconds: 25 });
  await h.start();
  await h.connect();
  h.forget();
  for (let round = 1; round <= 10; round += 1) {
    await h
      .peer()
      .publish({ ipv4: `198.51.100.77:${10_000 + round}`, t: Math.floor(h.clock.wallNow() / 1000), n: 1 + round });
    await h.live(REFRESH_MS);
  }
  assert.deepEqual(h.only('set', 'renew', 'keepalive'), []);
  // A probe of the old path may send three small packets for each changed record.
  assert.ok(h.only('kick').length <= 30, `${h.only('kick').length} kicks`);
  assert.equal(h.entry().phase, 'connected');
});

test('F16 WireGuard roams by itself: the record does not pull it back', async () => {
  const h = createHarness({ refreshIntervalMs: REFRESH_MS, keepaliveSeconds: 25 });
  await h.start();
  await h.connect();
  h.forget();
  const { publicKey } = h.peer().keys;
  for (let round = 1; round <= 10; round += 1) {
    const roamed = `192.0.2.${round}:50000`;
    const endpoint = parseEndpoint(roamed);
    assert.ok(endpoint);
    h.peer().answersAt = roamed;
    h.wg.changePeer('wg0', publicKey, { endpoint });
    h.wg.traffic('wg0', publicKey, { rxBytes: 64 });
    await h.live(REFRESH_MS);
    assert.equal(formatEndpoint(h.wg.peer('wg0', publicKey)?.endpoint ?? endpoint), roamed);
  }
  assert.deepEqual(h.only('set', 'renew'), []);
});

test('F16 a tunnel that works when the daemon starts is not touched', async () => {
  const h = createHarness({ present: false, keepaliveSeconds: 25 });
  h.addDevice();
  const { publicKey } = h.peer().keys;
  const endpoint = parseEndpoint('192.0.2.1:50000');
  assert.ok(endpoint);
  h.wg.changePeer('wg0', publicKey, { endpoint });
  h.wg.handshake('wg0', publicKey, h.clock.wallNow() - 20_000);
  h.peer().answersAt = '192.0.2.1:50000';
  await h.peer().publish({ ipv4: farEndpoint(0), t: 1_800_000_000 });
  await h.start();
  await h.live(120_000);
  assert.equal(h.entry().phase, 'connected');
  assert.deepEqual(h.only('set', 'renew'), []);
});

test('F16 the endpoint that WireGuard already has is never written', async () => {
  const h = createHarness();
  const { publicKey } = h.peer().keys;
  const endpoint = parseEndpoint(farEndpoint(0));
  assert.ok(endpoint);
  h.wg.changePeer('wg0', publicKey, { endpoint });
  await h.peer().publish({ ipv4: farEndpoint(0), t: 1_800_000_000 });
  await h.start();
  await h.advance(120_000);
  assert.deepEqual(h.only('set'), []);
  assert.ok(h.only('kick').length > 0, 'it tries nevertheless');
});

test('F16 an endpoint that another program set is left alone for a minute, and said once', async () => {
  const h = createHarness();
  await h.start();
  await h.peer().publish({ ipv4: farEndpoint(0), t: 1_800_000_000 });
  await h.advance(5_000);
  const endpoint = parseEndpoint('192.0.2.200:1');
  assert.ok(endpoint);
  h.wg.changePeer('wg0', h.peer().keys.publicKey, { endpoint });
  await h.advance(2_000);
  h.forget();
  await h.advance(55_000);
  assert.deepEqual(h.only('set', 'renew'), []);
  assert.equal(h.logger.lines.filter((l) => l.level === 'warn' && l.message.includes('another program')).length, 1);
  await h.advance(40_000);
  assert.equal(h.only('set').length, 1);
});

test('F42b an idle tunnel without keepalive is sent nothing, however long it rests', async () => {
  const h = createHarness({ refreshIntervalMs: REFRESH_MS });
  await h.start();
  await h.connect();
  await h.advance(300_000);
  assert.equal(h.entry().phase, 'idle');
  h.forget();
  await h.advance(3_600_000);
  assert.deepEqual(h.only('kick', 'punch', 'set', 'renew', 'keepalive'), []);
  assert.equal(h.entry().phase, 'idle');
});

test('F42b our mapping changes while a tunnel is idle: it is sent no packet into the tunnel', async () => {
  const h = createHarness({ refreshIntervalMs: REFRESH_MS });
  await h.start();
  await h.connect();
  await h.advance(300_000);
  h.forget();
  h.mappings.set(4, '203.0.113.9:40009');
  await h.advance(REFRESH_MS);
  assert.equal(h.only('publish').length, 1, 'but the new address is published');
  assert.deepEqual(h.only('kick', 'set', 'renew', 'keepalive'), []);
});

test('a tunnel that dies (keepalive on) becomes suspect, is discovered anew, read and tried again, and connects at the new place', async () => {
  const h = createHarness({ keepaliveSeconds: 25 });
  await h.start();
  await h.connect();
  await h.live(60_000);
  h.forget();
  h.peer().answersAt = '192.0.2.99:7';
  await h.advance(200_000);
  assert.ok(h.events.some((e) => e.event === 'phase' && e.data['to'] === 'suspect'));
  assert.ok(h.only('discover').length > 0);
  await h.peer().publish({ ipv4: '192.0.2.99:7', t: Math.floor(h.clock.wallNow() / 1000), n: 2 });
  await h.advance(20_000);
  assert.equal(h.entry().phase, 'connected');
});
