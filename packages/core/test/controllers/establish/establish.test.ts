/** Connecting a peer: order of the steps, renewals, and what is never done (F17, F18, F18c, F24). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { formatEndpoint, parseEndpoint } from '#src/net/index.js';
import { createHarness, farEndpoint, type Step } from '../harness.js';

const T = 1_800_000_000;
const kinds = (steps: readonly Step[]) => steps.map((s) => s.what);

test('F17 a peer that is not on the device is never created, and is picked up when it comes', async () => {
  const h = createHarness({ peers: 2 });
  const [{ publicKey }, other] = [h.peer(0).keys, h.peer(1)];
  h.wg.removePeer('wg0', publicKey);
  await h.peer(0).publish({ ipv4: farEndpoint(0), t: T });
  await h.start();
  await h.connect(1);
  await h.advance(60_000);
  assert.equal(h.wg.peer('wg0', publicKey), undefined);
  assert.ok(h.wg.writes.every((call) => call.peer !== publicKey && !call.endpoints?.has(publicKey)));
  assert.equal(h.only('set').length, 1, 'only the other peer was set');
  assert.equal(h.entry(0).fault?.code, 'ERR_WG_PEER_NOT_FOUND');
  assert.equal(h.snapshot().devices[0]?.peers[0]?.present, false);
  assert.equal(h.entry(1).phase, 'connected');
  assert.ok(other.ourRecord());

  h.peer(0).answersAt = farEndpoint(0);
  h.wg.addPeer('wg0', { publicKey, allowedIps: ['10.99.1.1/32'] });
  await h.live(15_000, [1]);
  assert.equal(h.entry(0).phase, 'connected');
  assert.equal(h.entry(0).fault, undefined);
  assert.ok(h.peer(0).ourRecord());
});

test('F17 a peer that disappears while an attempt is under way is not created', async () => {
  const h = createHarness();
  const { publicKey } = h.peer().keys;
  await h.peer().publish({ ipv4: farEndpoint(0), t: T });
  const { onSend } = h.capture;
  h.capture.onSend = (sent) => {
    onSend(sent);
    if (sent.message.length === 1) h.wg.removePeer('wg0', publicKey);
  };
  await h.start();
  await h.advance(30_000);
  assert.equal(h.wg.peer('wg0', publicKey), undefined);
  assert.deepEqual(h.only('set', 'renew'), []);
});

test('F18 the order is punch, set, kick; the kick has TTL 1; a connected peer is left alone from then on', async () => {
  const h = createHarness();
  h.peer().answersAt = farEndpoint(0);
  await h.peer().publish({ ipv4: farEndpoint(0), t: T });
  await h.start();
  await h.advance(1_000);
  assert.deepEqual(kinds(h.only('punch', 'set', 'kick', 'renew')), ['punch', 'set', 'kick']);
  assert.deepEqual(
    h.capture.echoes.map((e) => [e.to, e.ttl, e.device]),
    [['10.99.1.1', 1, 'wg0']],
  );
  const punches = h.capture.sent.filter((s) => s.message.length === 1);
  assert.deepEqual([...(punches[0]?.message ?? [])], [0]);
  assert.equal(punches[0]?.localPort, 51820);
  assert.equal(h.entry().phase, 'connected');
});

test('F18 both families of the record are punched, one is set', async () => {
  const h = createHarness({ protocol: 'dualstack', peerProtocol: 'prefer_ipv4' });
  await h.start();
  await h.advance(300);
  await h.peer().publish({ ipv4: farEndpoint(0), ipv6: '[2001:db8:f::1]:7', t: T });
  await h.advance(300);
  assert.deepEqual(new Set(h.only('punch').map((s) => s.to)), new Set([farEndpoint(0), '[2001:db8:f::1]:7']));
  assert.deepEqual(
    h.only('set').map((s) => s.to),
    [farEndpoint(0)],
  );
});

test('F18 a packet that cannot be sent is a lost one: the attempt goes on and the next one comes', async () => {
  const h = createHarness();
  h.capture.fail('send', new StunmeshError('ERR_CAPTURE_BLOCKED', 'blocked'));
  h.capture.fail('openEchoSocket', new StunmeshError('ERR_CAPTURE_OPEN', 'no socket'));
  h.peer().answersAt = farEndpoint(0);
  await h.peer().publish({ ipv4: farEndpoint(0), t: T });
  await h.start();
  await h.advance(2_500);
  assert.equal(h.only('set').length, 1);
  h.capture.fail('openEchoSocket', undefined);
  await h.advance(10_000);
  assert.equal(h.entry().phase, 'connected');
});

test('F18 a peer without any address inside the tunnel gets its keepalive pulsed and restored', async () => {
  const h = createHarness({ keepaliveSeconds: 7 });
  const { publicKey } = h.peer().keys;
  h.wg.changePeer('wg0', publicKey, { allowedIps: [] });
  await h.peer().publish({ ipv4: farEndpoint(0), t: T });
  await h.start();
  await h.advance(2_000);
  const pulses = h.only('keepalive').map((s) => s.to);
  assert.ok(pulses.length >= 2);
  assert.deepEqual(pulses.slice(0, 2), ['0', '7']);
  assert.equal(h.wg.peer('wg0', publicKey)?.keepaliveSeconds, 7);
  assert.deepEqual(h.only('kick'), []);
});

test('F18 an IPv6 address is kicked only where a route by the device exists', async () => {
  for (const routed of [false, true]) {
    const h = createHarness({ keepaliveSeconds: 25 });
    const { publicKey } = h.peer().keys;
    h.wg.changePeer('wg0', publicKey, { allowedIps: ['fd00::2/128'] });
    if (routed) h.capture.setRoute('fd00::2', { interface: 'wg0', source: 'fd00::1' }, { device: 'wg0' });
    await h.peer().publish({ ipv4: farEndpoint(0), t: T });
    await h.start();
    await h.advance(500);
    assert.equal(
      h.only('kick').some((s) => s.to === 'fd00::2'),
      routed,
    );
    assert.equal(h.only('keepalive').length > 0, !routed);
  }
});

test('F18c our mapping changed: every peer is punched, connected ones kicked, and only then it is published', async () => {
  const h = createHarness({ peers: 3, refreshIntervalMs: 60_000, keepaliveSeconds: 25 });
  await h.start();
  for (const index of [0, 1]) await h.connect(index);
  await h.peer(2).publish({ ipv4: farEndpoint(2), t: T });
  await h.advance(1_000);
  h.forget();
  h.mappings.set(4, '203.0.113.9:40555');
  await h.session.refresh();
  await h.advance(1_000);
  const steps = h.only('punch', 'kick', 'publish');
  const published = steps.findIndex((s) => s.what === 'publish');
  assert.ok(published > 0);
  const before = steps.slice(0, published);
  for (const index of [0, 1, 2]) {
    assert.ok(
      before.some((s) => s.what === 'punch' && s.to === farEndpoint(index)),
      `peer ${index} punched`,
    );
  }
  for (const index of [0, 1]) {
    assert.ok(
      before.some((s) => s.what === 'kick' && s.to === `10.99.1.${index + 1}`),
      `peer ${index} kicked`,
    );
  }
  assert.deepEqual(h.only('set'), [], 'no tunnel that works is written to');
});

test('F24 the endpoints of many peers that are found together are written in few calls', async () => {
  const h = createHarness({ peers: 40 });
  for (const [index, far] of h.far.entries()) await far.publish({ ipv4: farEndpoint(index), t: T });
  await h.start();
  await h.advance(2_000);
  const calls = h.wg.writes.filter((w) => w.method === 'setPeerEndpoints');
  assert.equal(h.only('set').length, 40);
  assert.ok(calls.length <= 10, `${calls.length} calls`);
  for (const [index, far] of h.far.entries()) {
    const endpoint = h.wg.peer('wg0', far.keys.publicKey)?.endpoint;
    assert.equal(endpoint && formatEndpoint(endpoint), farEndpoint(index));
  }
});

test('F24 one reading a beat serves all peers of the device', async () => {
  const h = createHarness({ peers: 50 });
  await h.start();
  await h.advance(5_000);
  const before = h.wg.calls.length;
  await h.advance(10_000);
  const readings = h.wg.calls.slice(before).filter((call) => call.method === 'device').length;
  assert.ok(readings >= 9 && readings <= 22, `${readings} readings in 10 s`);
});

test('at most one endpoint change per peer in three seconds, though its record changes every half second', async () => {
  const h = createHarness();
  await h.start();
  for (let i = 0; i < 40; i += 1) {
    await h.peer().publish({ ipv4: `192.0.2.7:${1_000 + i}`, t: T + i });
    await h.advance(500);
  }
  const at = h.only('set').map((s) => s.at);
  assert.ok(at.length >= 4, `${at.length}`);
  for (const [i, time] of at.entries()) if (i > 0) assert.ok(time - (at[i - 1] ?? 0) >= 3_000, `${at}`);
  assert.ok(parseEndpoint(h.only('set').at(-1)?.to ?? ''));
});
