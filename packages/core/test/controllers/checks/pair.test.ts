/** Two daemons meet by checks of connectivity, over a simulated network (F43 to F46). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planReconfiguration } from '#src/peers/reconfigure.js';
import { CheckWorld, router } from './world.js';

test('F46 two hosts behind routers that drop connect by checks, and no endpoint is set before a path is valid', async () => {
  const world = new CheckWorld({ router: router('a') }, { router: router('b') });
  const [a, b] = world.sides;
  await a.start();
  await world.clock.advance(2_000);
  await b.start();
  const took = await world.connect(10_000);
  assert.ok(took !== undefined && took < 1_500, `${took} ms`);
  assert.equal(a.endpoint(), '203.0.113.1:51820');
  assert.equal(b.endpoint(), '198.51.100.1:51820');
  await world.clock.advance(1_000);
  // The one that set nothing knows as well that echoes are answered.
  assert.deepEqual(
    world.sides.map(({ peer }) => peer.answersEcho),
    [true, true],
  );
  for (const { packets } of world.sides) assert.equal(packets.filter(({ kind }) => kind === 'punch').length, 0);
  await a.stop();
  await b.stop();
});

test('F18b a peer without an endpoint for which WireGuard had packets is renewed with the path, not after a wait', async () => {
  const world = new CheckWorld({ router: router('a') }, { router: router('b') });
  for (const { wg, peer } of world.sides) wg.kick('wg0', peer.publicKey);
  for (const side of world.sides) await side.start();
  const took = await world.connect(3_000);
  const renewed = world.sides.filter(({ peer }) => peer.renewals > 0);
  assert.equal(renewed.length, 1);
  const [{ peer } = world.sides[0]] = renewed;
  assert.equal(peer.endpointWrites, 1);
  const afterMs = peer.phaseSince - (peer.lastWrite?.at ?? 0);
  assert.ok(afterMs < 100, `${took} ms in all, ${afterMs} ms after the path was set`);
  for (const side of world.sides) await side.stop();
});

test('F43 routers that take in what nobody asked for: no full packet is too early, whoever begins, and the endpoints meet', async () => {
  for (const [kindA, kindB] of [
    ['accept', 'accept'],
    ['accept', 'drop'],
    ['drop', 'accept'],
  ] as const) {
    for (const laterMs of [0, 2_000, 10_000]) {
      const world = new CheckWorld({ router: router('a', kindA) }, { router: router('b', kindB) });
      const [a, b] = world.sides;
      await a.start();
      await world.clock.advance(laterMs);
      await b.start();
      const took = await world.connect(10_000);
      assert.ok(took !== undefined && took < 3_000, `${kindA} and ${kindB}, ${laterMs} ms apart: ${took} ms`);
      assert.deepEqual([a.endpoint(), b.endpoint()], ['203.0.113.1:51820', '198.51.100.1:51820']);
      await a.stop();
      await b.stop();
    }
  }
});

test('a symmetric NAT and an open host: the true port is learnt from a check', async () => {
  const world = new CheckWorld({ router: router('a', 'drop', 'symmetric') }, { router: router('b', 'drop', 'none') });
  const [a, b] = world.sides;
  await a.start();
  await b.start();
  const took = await world.connect(10_000);
  assert.ok(took !== undefined && took < 3_000, `${took} ms`);
  assert.match(b.endpoint() ?? '', /^198\.51\.100\.1:/);
  await a.stop();
  await b.stop();
});

test('F43 an endpoint left on the device is parked while no path is valid, kept in the state file, and put back at the end', async () => {
  const left = { family: 4, address: '203.0.113.1', port: 7_777 } as const;
  const world = new CheckWorld({ router: router('a'), endpoint: left, keepaliveSeconds: 25 }, { router: router('b') });
  const [a, b] = world.sides;
  // The peer was here once, and is away now.
  await b.start();
  await world.clock.advance(1_000);
  await b.stop();
  await a.start();
  await world.clock.advance(1_000);
  assert.equal(a.endpoint(), '127.0.0.1:9');
  const { parked } = Object.values(a.state().peers as Record<string, { parked?: string }>)[0] ?? {};
  assert.equal(parked, '203.0.113.1:7777');
  await world.clock.advance(20_000);
  assert.deepEqual(
    // On a link of ours no router can be spoilt.
    a.packets.filter(({ kind, full, to }) => kind === 'wireguard' || (full && !to.startsWith('192.168.1.'))),
    [],
  );
  await a.stop();
  assert.equal(a.endpoint(), '203.0.113.1:7777');
});

test('F43 a process that was killed while an endpoint was parked: the next start puts it back', async () => {
  const parked = { family: 4, address: '127.0.0.1', port: 9 } as const;
  const state = { version: 1, n: 1, peers: {} as Record<string, object> };
  const world = new CheckWorld({ router: router('a'), endpoint: parked, state }, { router: router('b') });
  const [a] = world.sides;
  a.peer.parkedFrom = { family: 4, address: '203.0.113.1', port: 7_777 };
  await a.start();
  await world.clock.advance(200);
  assert.equal(a.endpoint(), '203.0.113.1:7777');
  assert.equal(a.peer.parkedFrom, undefined);
  await a.stop();
});

test('F43 where the peer was last met nothing goes at a start before its record was read, or a store failed to show it', async () => {
  for (const answers of [true, false]) {
    const world = new CheckWorld({ router: router('a') }, { router: router('b') });
    const [a, b] = world.sides;
    // The peer was here once, and is away now.
    await b.start();
    await world.clock.advance(1_000);
    await b.stop();
    a.peer.restored = { family: 4, address: '203.0.113.1', port: 7_777 };
    if (!answers) world.store.get = () => new Promise<undefined>(() => undefined);
    const startedAt = world.clock.now();
    await a.start();
    await world.clock.advance(5_000);
    const sent = a.packets.filter(({ to }) => to === '203.0.113.1:7777');
    assert.deepEqual(new Set(sent.map(({ kind }) => kind)), new Set(answers ? [] : ['punch', 'wireguard']));
    assert.ok(sent.every(({ at }) => at - startedAt >= 2_000));
    await a.stop();
  }
});

test('F45 a peer whose record knows no checks gets none, is never parked, and is met as before', async () => {
  const left = { family: 4, address: '203.0.113.1', port: 7_777 } as const;
  const world = new CheckWorld({ router: router('a'), endpoint: left }, { router: router('b', 'drop', 'none') });
  const [a] = world.sides;
  await a.farSide.publish({ ipv4: '203.0.113.1:51820' });
  await a.start();
  await world.clock.advance(5_000);
  assert.equal(a.endpoint(), '203.0.113.1:51820');
  assert.deepEqual(
    a.packets.filter(({ kind }) => kind === 'request'),
    [],
  );
  assert.ok(a.packets.some(({ kind }) => kind === 'punch'));
  await a.stop();
});

test('F43 what dies on the way goes as far as our outermost NAT, where that was measured', async () => {
  for (const [hops, ttl] of [
    [1, 2],
    [3, 4],
    [9, 3],
  ] as const) {
    const world = new CheckWorld({ router: router('a'), hops }, { router: router('b') });
    const [a] = world.sides;
    await a.start();
    await world.clock.advance(2_000);
    // Nobody is there any more: what goes to it is never full.
    await a.farSide.publish({ ipv4: '203.0.113.1:51820', t: 1_798_800_000 });
    await world.clock.advance(3_000);
    const asked = a.packets.filter(({ kind, to }) => kind === 'request' && to.startsWith('203.0.113.1:'));
    assert.ok(asked.length > 0);
    assert.deepEqual(new Set(asked.map((packet) => packet.ttl)), new Set([ttl]));
    await a.stop();
  }
});

test('F43 a parked endpoint is put back when a reload takes the peer away', async () => {
  const left = { family: 4, address: '203.0.113.1', port: 7_777 } as const;
  const world = new CheckWorld({ router: router('a'), endpoint: left }, { router: router('b') });
  const [a] = world.sides;
  await a.farSide.publish({ ipv4: '203.0.113.1:51820', t: 1_798_800_000 });
  await a.start();
  await world.clock.advance(2_000);
  assert.equal(a.endpoint(), '127.0.0.1:9');
  (await planReconfiguration(a.device, { ...a.device.config, peers: new Map() }, world.clock))();
  a.session.reconfigured();
  await world.clock.advance(2_000);
  assert.equal(a.endpoint(), '203.0.113.1:7777');
  await a.stop();
});

test('F26 a device that is gone takes along what kept hands off its endpoints', async () => {
  const world = new CheckWorld({ router: router('a') }, { router: router('b') });
  const [a] = world.sides;
  await a.start();
  a.peer.handsOffUntil = world.clock.now() + 60_000;
  a.wg.removeDevice('wg0');
  await world.clock.advance(2_000);
  assert.equal(a.device.facts, undefined);
  assert.equal(a.peer.handsOffUntil, 0);
  await a.stop();
});
