/** Renewing a peer to shorten WireGuard's pause: when it helps, and when it would harm (F18b). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { createHarness, farEndpoint, type Harness, type HarnessOptions, type Step } from './harness.js';

const T = 1_800_000_000;
const kinds = (steps: readonly Step[]) => steps.map((s) => s.what);

/** A peer with a record that is in WireGuard's pause when the daemon starts, as with a keepalive and no endpoint. */
async function paused(options: HarnessOptions = {}): Promise<Harness> {
  const h = createHarness(options);
  h.wg.kick('wg0', h.peer().keys.publicKey);
  await h.peer().publish({ ipv4: farEndpoint(0), t: T });
  return h;
}

test('F18b no renewal while tx grows: WireGuard is shaking hands already', async () => {
  const h = createHarness();
  await h.peer().publish({ ipv4: farEndpoint(0), t: T });
  const grow = async () => {
    for (;;) {
      await h.clock.sleep(100);
      h.wg.traffic('wg0', h.peer().keys.publicKey, { txBytes: 148 });
    }
  };
  void grow();
  await h.start();
  await h.advance(20_000);
  assert.deepEqual(h.only('renew'), []);
});

test('F18b in the pause the peer is renewed with the endpoint, and connects within a second', async () => {
  const h = await paused();
  h.peer().answersAt = farEndpoint(0);
  await h.start();
  await h.advance(1_000);
  assert.deepEqual(kinds(h.only('punch', 'set', 'kick', 'renew')).slice(0, 5), [
    'punch',
    'set',
    'kick',
    'renew',
    'kick',
  ]);
  assert.deepEqual(
    h.only('renew').map((s) => s.to),
    [farEndpoint(0)],
  );
  assert.equal(h.entry().phase, 'connected');
  const peer = h.wg.peer('wg0', h.peer().keys.publicKey);
  assert.deepEqual(peer?.allowedIps, ['10.99.1.1/32'], 'with all that it had');
});

test('F18b `renew: false` is respected', async () => {
  const h = await paused({ renew: false });
  await h.start();
  await h.advance(120_000);
  assert.deepEqual(h.only('renew'), []);
  assert.equal(h.entry().renewals, 0);
});

test('F18b at most three renewals for one record, though the peer stays silent for ten minutes', async () => {
  const h = await paused();
  await h.start();
  await h.advance(600_000);
  assert.ok(h.only('renew').length >= 1 && h.only('renew').length <= 3, `${h.only('renew').length}`);
});

test('F18b a peer that knocks for ten minutes and hears nothing is renewed at most three times', async () => {
  const h = await paused();
  await h.start();
  for (let i = 0; i < 120; i += 1) {
    await h.advance(5_000);
    h.wg.traffic('wg0', h.peer().keys.publicKey, { rxBytes: 148 });
  }
  assert.ok(h.only('renew').length <= 3, `${h.only('renew').length}`);
});

test('F18b a changed record allows three more', async () => {
  const h = await paused();
  await h.start();
  await h.advance(60_000);
  const before = h.only('renew').length;
  h.wg.kick('wg0', h.peer().keys.publicKey);
  await h.peer().publish({ ipv4: '192.0.2.4:4', t: T + 1 });
  await h.advance(60_000);
  const more = h.only('renew').length - before;
  assert.ok(before <= 3 && more >= 1 && more <= 3, `${before}, ${more}`);
});

test('F18b whoever was heard within the last second is not renewed: it is in the middle of a handshake', async () => {
  const h = await paused();
  const { publicKey } = h.peer().keys;
  const knock = async () => {
    for (;;) {
      await h.clock.sleep(400);
      h.wg.traffic('wg0', publicKey, { rxBytes: 148 });
    }
  };
  void knock();
  await h.start();
  await h.advance(30_000);
  assert.deepEqual(h.only('renew'), []);
});

test('F18b a peer with a live session is never renewed', async () => {
  const h = createHarness({ keepaliveSeconds: 25 });
  const { publicKey } = h.peer().keys;
  h.wg.handshake('wg0', publicKey, h.clock.wallNow() - 30_000);
  h.wg.kick('wg0', publicKey);
  await h.peer().publish({ ipv4: farEndpoint(0), t: T });
  await h.start();
  await h.advance(140_000);
  assert.deepEqual(h.only('renew'), []);
});

test('F18b a tunnel that died is not renewed as long as its session lives, and is afterwards', async () => {
  const h = createHarness({ keepaliveSeconds: 25 });
  await h.start();
  await h.connect();
  const handshakeAt = h.clock.now();
  // Kicks without effect on the tx counter, as in WireGuard's pause.
  h.capture.onEcho = () => {};
  await h.advance(150_000);
  assert.ok(
    h.events.some((e) => e.event === 'phase' && e.data['to'] === 'suspect'),
    'it is known to be dead',
  );
  assert.deepEqual(h.only('renew'), []);
  await h.advance(120_000);
  const renewed = h.only('renew');
  assert.ok(
    renewed.length >= 1 && renewed.length <= 3 && (renewed[0]?.at ?? 0) - handshakeAt >= 170_000,
    `${renewed.length}`,
  );
});

test('F18b the peer is not renewed again where WireGuard refused it, and nobody else is touched', async () => {
  const h = await paused({ peers: 2 });
  h.wg.fail('renewPeer', new StunmeshError('ERR_WG_FAILED', 'too many allowed IPs'), 100);
  await h.start();
  await h.connect(1);
  assert.equal(h.entry(1).phase, 'connected');
  assert.deepEqual(h.only('renew'), []);
  assert.equal(h.entry(0).fault?.code, 'ERR_WG_FAILED');
});
