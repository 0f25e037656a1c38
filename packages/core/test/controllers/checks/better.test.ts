/** Better paths: what is tried first, and how a live session moves (F47, F48). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSwitching } from '#src/controllers/checks/switching.js';
import { parseEndpoint } from '#src/net/index.js';
import { createComponents, FAR } from '../doubles.js';
import { CheckWorld, router } from './world.js';

const LAN_OF = { a: '192.168.1.2:51820', b: '192.168.1.3:51820' };

test('F47 two hosts on one link behind routers that let nothing else through meet by the link', async () => {
  const world = new CheckWorld(
    { router: router('a', 'drop', 'symmetric') },
    { router: router('b', 'drop', 'symmetric') },
  );
  world.lan = true;
  const [a, b] = world.sides;
  await a.start();
  await b.start();
  const took = await world.connect(10_000);
  // The side that does not nominate sees it at its next look at the device.
  assert.ok(took !== undefined && took <= 1_000, `${took} ms`);
  assert.deepEqual([a.endpoint(), b.endpoint()], [LAN_OF.b, LAN_OF.a]);
  await a.stop();
  await b.stop();
});

test('F48 a connected pair moves to the link that came up, within 65 s; with upgrade: false it stays', async () => {
  for (const upgrade of [true, false]) {
    const world = new CheckWorld({ router: router('a') }, { router: router('b') });
    const [a, b] = world.sides;
    for (const { device } of world.sides) device.config = { ...device.config, upgrade };
    await a.start();
    await b.start();
    assert.ok((await world.connect(10_000)) !== undefined);
    assert.deepEqual([a.endpoint(), b.endpoint()], ['203.0.113.1:51820', '198.51.100.1:51820']);
    world.lan = true;
    await world.clock.advance(65_000);
    const ends = upgrade ? [LAN_OF.b, LAN_OF.a] : ['203.0.113.1:51820', '198.51.100.1:51820'];
    assert.deepEqual([a.endpoint(), b.endpoint()], ends);
    assert.deepEqual(
      world.sides.map(({ peer }) => peer.phase),
      ['connected', 'connected'],
    );
    await a.stop();
    await b.stop();
  }
});

/** A connected peer on FAR, which asks while `busy` and is answered: WireGuard goes back there with its next packet, unless that is
 * muffled and the peer has heard of the new path meanwhile. */
function switching(options: { readonly muffles: boolean }) {
  const d = createComponents({ endpoint: FAR });
  const to = parseEndpoint('192.168.1.9:51820');
  assert.ok(to);
  if (!options.muffles) Reflect.deleteProperty(d.capture, 'muffle');
  d.peer.phase = 'connected';
  let busy = true;
  let nudges = 0;
  d.wg.onWrite(({ method }) => {
    if (method !== 'setPeerEndpoints') return;
    const [muffled, told] = [d.capture.rules.muffles.length > 0, nudges];
    void d.clock.sleep(5).then(() => {
      if (busy && !(muffled && nudges > told)) d.wg.changePeer('wg0', d.peer.publicKey, { endpoint: FAR });
    });
  });
  const one = createSwitching({
    ...d.c,
    read: async () => {
      if (busy) d.wg.traffic('wg0', d.peer.publicKey, { rxBytes: 1_000 });
      d.refresh();
      return true;
    },
    async nudge() {
      nudges += 1;
    },
  });
  return {
    ...d,
    one,
    to,
    calm: () => {
      busy = false;
    },
    endpoint: () => d.wg.peer('wg0', d.peer.publicKey)?.endpoint,
  };
}

test('F48 under two-way traffic the old path is muffled for a moment, the peer is sent a packet by the new one, and the write sticks', async () => {
  const d = switching({ muffles: true });
  void d.one.move(d.peer, d.to, 40);
  await d.clock.advance(3_000);
  assert.deepEqual(d.endpoint(), d.to);
  assert.deepEqual(
    d.capture.rules.muffles.map(({ device, remote, ms }) => ({ device, remote, ms })),
    [{ device: 'wg0', remote: FAR, ms: 170 }],
  );
  assert.deepEqual(
    d.events.map(({ event }) => event),
    ['path'],
  );
});

test('F48 where nothing can be muffled a quiet second is waited for; without one the old path stays', async () => {
  const calm = switching({ muffles: false });
  void calm.one.move(calm.peer, calm.to);
  await calm.clock.advance(5_000);
  assert.deepEqual(calm.endpoint(), FAR);
  calm.calm();
  await calm.clock.advance(3_000);
  assert.deepEqual(calm.endpoint(), calm.to);

  const busy = switching({ muffles: false });
  void busy.one.move(busy.peer, busy.to);
  await busy.clock.advance(60_000);
  assert.deepEqual(busy.endpoint(), FAR);
  assert.equal(busy.wg.writes.length, 1);
});
