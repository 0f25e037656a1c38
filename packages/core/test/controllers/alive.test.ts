/** "Connected" is said only of a tunnel that was seen alive since this start and since the last change of a key (F72). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEndpoint } from '#src/net/index.js';
import { oneWayFault } from '#src/peers/faults.js';
import { keyPair } from './far-side.js';
import { createHarness, farEndpoint, type Harness, type HarnessOptions } from './harness.js';

const PING = { enabled: true, target: '10.99.1.1', intervalMs: 1_000, timeoutMs: 1_000 };

/** A daemon that starts on a tunnel whose handshake is 20 s old. */
async function startedOn(answersAt: string | undefined, options: HarnessOptions = {}): Promise<Harness> {
  const h = createHarness({ keepaliveSeconds: 25, ...options });
  const { publicKey } = h.peer().keys;
  const endpoint = parseEndpoint(farEndpoint(0));
  assert.ok(endpoint);
  h.wg.changePeer('wg0', publicKey, { endpoint });
  h.wg.handshake('wg0', publicKey, h.clock.wallNow() - 20_000);
  h.peer().answersAt = answersAt;
  await h.start();
  return h;
}

const connectedAt = (h: Harness) => h.events.some(({ event, data }) => event === 'phase' && data['to'] === 'connected');

test('F72 a handshake from before the start makes no peer connected: a tunnel that is cut by then is never called so', async () => {
  for (const state of [undefined, { version: 1, n: 0, peers: { [keyPair('peer 0').publicKey]: { echo: true } } }]) {
    const h = await startedOn(undefined, state ? { state } : {});
    await h.advance(120_000);
    assert.equal(connectedAt(h), false);
  }
});

test('F72 F16 a tunnel that lives at the start is connected by one answered packet, and not touched otherwise', async () => {
  const h = await startedOn(farEndpoint(0));
  await h.peer().publish({ ipv4: '192.0.2.77:7', t: 1_800_000_000 });
  await h.advance(500);
  assert.equal(h.entry().phase, 'connected');
  await h.live(60_000);
  assert.deepEqual(h.only('set', 'renew', 'keepalive'), []);
});

test('F72 F16 a peer that answers no echoes has the time that WireGuard needs before anything is changed', async () => {
  const h = createHarness({ keepaliveSeconds: 25 });
  h.peer().answersEcho = false;
  const quiet = await startedOn(farEndpoint(0));
  quiet.peer().answersEcho = false;
  await quiet.peer().publish({ ipv4: '192.0.2.77:7', t: 1_800_000_000 });
  await quiet.advance(12_000);
  assert.equal(quiet.entry().phase, 'connected');
  assert.deepEqual(quiet.only('set', 'renew'), []);
});

test('F72 a changed key of ours ends what was connected, until the tunnel lives under the new one', async () => {
  const h = createHarness({ keepaliveSeconds: 25 });
  await h.start();
  await h.connect();
  await h.live(10_000);
  h.peer().answersAt = undefined;
  h.wg.changeDevice('wg0', { ...keyPair('own, later') });
  await h.advance(11_000);
  assert.notEqual(h.entry().phase, 'connected');
  assert.equal(h.entry().rttMs, undefined);
  h.forget();
  await h.advance(120_000);
  assert.equal(connectedAt(h), false);
});

/** What we send is lost, what the peer sends arrives. */
async function oneWay(options: HarnessOptions = {}): Promise<Harness> {
  const h = createHarness({ keepaliveSeconds: 25, mappingCheckMs: 0, ...options });
  await h.start();
  await h.connect();
  await h.advance(5_000);
  assert.equal(h.entry().phase, 'connected');
  h.forget();
  h.peer().answersAt = undefined;
  return h;
}

const hear = (h: Harness) => h.wg.traffic('wg0', h.peer().keys.publicKey, { rxBytes: 1_500 });

test('F72 one-way loss: bytes that arrive are no life while pings stay unanswered, the path is dead, and it is said why', async () => {
  const h = await oneWay({ ping: PING });
  for (let i = 0; i < 8; i += 1) {
    hear(h);
    await h.advance(500);
  }
  assert.ok(h.events.some(({ event, data }) => event === 'phase' && data['to'] === 'suspect'));
  for (let i = 0; i < 80; i += 1) {
    hear(h);
    await h.advance(500);
  }
  assert.equal(connectedAt(h), false, 'it does not come back by bytes alone');
  const shown = h.snapshot().devices[0]?.peers[0];
  assert.equal(shown?.lastError?.code, 'ERR_TUNNEL_ONE_WAY');
  assert.match(shown?.lastError?.message ?? '', /^\d+ pings unanswered though packets arrive: one way only/);
  assert.equal(shown?.rttMs, undefined);
  assert.match(h.logger.text(), /one way/);
});

test('F72 one-way loss ends with an answered echo, and nothing is said of it any more', async () => {
  const h = await oneWay({ ping: PING });
  for (let i = 0; i < 20; i += 1) {
    hear(h);
    await h.advance(500);
  }
  h.peer().answersAt = farEndpoint(0);
  await h.advance(10_000);
  assert.equal(h.entry().phase, 'connected');
  assert.equal(oneWayFault(h.entry(), h.clock.wallNow()), undefined);
});

test('F72 a peer whose firewall begins to drop echoes is alive by a new handshake, and judged without echoes from then on', async () => {
  const h = await oneWay({ ping: PING });
  const { publicKey } = h.peer().keys;
  await h.advance(10_000);
  assert.notEqual(h.entry().phase, 'connected');
  h.wg.handshake('wg0', publicKey);
  await h.advance(2_000);
  assert.equal(h.entry().answersEcho, false);
  for (let i = 0; i < 30; i += 1) {
    hear(h);
    await h.advance(1_000);
  }
  assert.equal(h.entry().phase, 'connected');
});

test('F72 a peer that never answered an echo lives by its bytes, as before', async () => {
  const h = createHarness({ keepaliveSeconds: 25 });
  h.peer().answersEcho = false;
  await h.start();
  await h.connect();
  for (let i = 0; i < 60; i += 1) {
    hear(h);
    await h.advance(1_000);
  }
  assert.equal(h.entry().phase, 'connected');
});

test('F72 a peer that is off is not "one way only", however late its last answer was counted', async () => {
  const h = await oneWay({ ping: PING });
  // The last thing that arrived is seen by a reading after the first echo went unanswered; then nothing comes any more.
  hear(h);
  for (let i = 0; i < 60; i += 1) {
    await h.advance(500);
    assert.equal(oneWayFault(h.entry(), h.clock.wallNow()), undefined);
  }
  assert.notEqual(h.entry().phase, 'connected');
});

test('F72 bytes that arrived a while ago do not keep "one way only" said', async () => {
  const h = await oneWay({ ping: PING });
  for (let i = 0; i < 20; i += 1) {
    hear(h);
    await h.advance(500);
  }
  assert.equal(oneWayFault(h.entry(), h.clock.wallNow())?.code, 'ERR_TUNNEL_ONE_WAY');
  await h.advance(40_000);
  assert.equal(oneWayFault(h.entry(), h.clock.wallNow()), undefined);
});
