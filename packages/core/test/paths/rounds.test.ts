import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRandom } from './random.js';
import { type Mapping, Router, type RouterKind } from './router.js';
import { type HostOptions, World } from './simulator.js';

const KINDS: readonly RouterKind[] = ['drop', 'accept'];
const OFFSETS = [0, 30, 200, 1_000, 2_000, 5_000, 10_000];

interface Case {
  readonly kinds: readonly [RouterKind, RouterKind];
  readonly startAt: readonly [number, number];
  readonly pollMs?: number;
  readonly mappings?: readonly [Mapping, Mapping];
  readonly clocks?: readonly [number, number];
  readonly earlier?: HostOptions['earlier'];
  readonly poisoned?: boolean;
  readonly oneWayMs?: number;
}

function createWorld(o: Case): World {
  const side = (i: 0 | 1): HostOptions => ({
    router: new Router(`203.0.113.${11 + i}`, o.kinds[i], o.mappings?.[i] ?? 'preserving'),
    smaller: i === 0,
    startAt: o.startAt[i],
    clockAhead: o.clocks?.[i] ?? 0,
    ...(o.pollMs === undefined ? {} : { pollMs: o.pollMs }),
    ...(o.earlier ? { earlier: o.earlier } : {}),
  });
  const world = new World(side(0), side(1), o.oneWayMs);
  if (o.poisoned) world.poison();
  return world;
}

const nameOf = (o: Case) =>
  `${o.kinds.join(' x ')}, start ${o.startAt.join(' and ')} ms, ${o.pollMs === undefined ? 'watched' : `read every ${o.pollMs} ms`}`;

/** Milliseconds from the second publication to both valid; F43 holds all the way. */
function timeToValid(o: Case, limit: number): number {
  const world = createWorld(o);
  world.run(limit);
  for (const host of world.hosts) assert.deepEqual(host.breaches, [], nameOf(o));
  const [a, b] = world.hosts;
  assert.ok(a.validAt !== undefined && b.validAt !== undefined, `${nameOf(o)}: not valid within ${limit} ms`);
  return Math.max(a.validAt, b.validAt) - Math.max(...o.startAt) - 25;
}

function pairs(): Case[] {
  return KINDS.flatMap((a) =>
    KINDS.flatMap((b) =>
      OFFSETS.flatMap((offset) =>
        [[0, offset] as const, [offset, 0] as const].map((startAt) => ({ kinds: [a, b] as const, startAt })),
      ),
    ),
  );
}

test('F43 with watched stores every pair of routers, whoever starts first, is valid within 0.2 s of the second record', () => {
  const times = pairs().map((o) => timeToValid(o, 60_000));
  assert.ok(Math.max(...times) <= 200, `${Math.max(...times)} ms`);
});

test('F43 with polled stores every pair is valid within 1.5 s of the second record', () => {
  for (const pollMs of [500, 700]) {
    const times = pairs().map((o) => timeToValid({ ...o, pollMs }, 60_000));
    assert.ok(Math.max(...times) <= 1_500, `${Math.max(...times)} ms`);
  }
});

test('F43 records of an earlier life prove nothing: both start anew beside them', () => {
  for (const o of pairs()) {
    const earlier = { t: 1_796_111_000, n: 4, ack: 1_796_111_000 % 0x10000 };
    assert.ok(timeToValid({ ...o, earlier }, 60_000) <= 1_500);
  }
});

test('F43 clocks that differ by 8 s, and a round trip of 300 ms, change little', () => {
  for (const o of pairs())
    for (const clocks of [[0, 8_000] as const, [8_000, 0] as const])
      assert.ok(timeToValid({ ...o, clocks, oneWayMs: 150 }, 60_000) <= 1_500);
});

test('F43 a poisoned start is healed by a common slot within 120 s, whatever the clocks within 8 s', () => {
  let worst = 0;
  for (const kinds of [
    ['accept', 'accept'],
    ['accept', 'drop'],
    ['drop', 'accept'],
  ] as const)
    for (const offset of [0, 2_000, 10_000, 17_000])
      for (const clocks of [[0, 0] as const, [0, 7_500] as const, [7_500, 0] as const])
        for (const pollMs of [undefined, 2_000]) {
          const timing = pollMs === undefined ? {} : { pollMs };
          const o: Case = { kinds, startAt: [0, offset], clocks, poisoned: true, ...timing };
          const world = createWorld(o);
          world.run(300_000);
          for (const host of world.hosts) assert.deepEqual(host.breaches, [], nameOf(o));
          const [a, b] = world.hosts;
          assert.ok(a.validAt !== undefined && b.validAt !== undefined, nameOf(o));
          worst = Math.max(worst, a.validAt - offset, b.validAt - offset);
        }
  assert.ok(worst <= 120_000, `${worst} ms`);
});

test('a symmetric host and an open one meet by the learnt port, whichever is second', () => {
  for (const startAt of [[0, 1_000] as const, [1_000, 0] as const])
    assert.ok(timeToValid({ kinds: ['drop', 'drop'], startAt, mappings: ['symmetric', 'none'] }, 60_000) <= 1_000);
});

test('the smaller key nominates, both come to be connected, and each side writes at most twice', () => {
  for (const o of pairs()) {
    const world = createWorld(o);
    world.run(40_000, () => world.hosts.every(({ connectedAt }) => connectedAt !== undefined));
    for (const host of world.hosts) {
      assert.ok(host.connectedAt !== undefined, nameOf(o));
      assert.ok(host.writes <= 2, `${nameOf(o)}: ${host.writes} writes`);
    }
  }
});

test('F43 a peer that never comes is met with silence but for the slots, and costs little', () => {
  const lone = createWorld({ kinds: ['drop', 'drop'], startAt: [0, 10 * 3_600_000], earlier: { t: 1_796_111_000 } });
  lone.run(3_600_000, () => false);
  const { sent } = lone.hosts[0];
  assert.ok(sent.low >= 9 && sent.full >= 8, 'it does try');
  assert.ok(sent.low + sent.full <= 9 + (5 + 12) * 28, `${JSON.stringify(sent)}`);
  assert.deepEqual(lone.hosts[0].breaches, []);
});

test('F43 after a move the pair is connected again within 0.2 s, whichever side moved', () => {
  for (const i of [0, 1] as const)
    for (const kinds of [['accept', 'accept'] as const, ['drop', 'drop'] as const]) {
      const world = createWorld({ kinds, startAt: [0, 50] });
      const connected = () => world.hosts.every(({ connectedAt }) => connectedAt !== undefined);
      world.run(10_000, connected);
      world.run(100_000, () => false);
      const movedAt = world.now;
      world.move(world.hosts[i], new Router('198.51.100.7', kinds[0], 'preserving'));
      world.run(200_000, connected);
      for (const host of world.hosts) {
        assert.ok((host.connectedAt ?? 1e9) - movedAt <= 200, `${host.connectedAt} ms, moved at ${movedAt}`);
        assert.deepEqual(host.breaches, []);
      }
    }
});

test('where one packet in five is lost nine pairs of ten are valid within 3 s, and every one within 120 s', () => {
  const times: number[] = [];
  for (const [i, o] of [...pairs(), ...pairs()].entries()) {
    const world = createWorld({ ...o, oneWayMs: 20 });
    const random = createRandom(i + 1);
    world.isLost = () => random(5) === 0;
    world.run(300_000);
    times.push(Math.max(...world.hosts.map(({ validAt }) => (validAt ?? 1e9) - Math.max(...o.startAt))));
  }
  times.sort((a, b) => a - b);
  assert.ok((times[Math.floor(times.length * 0.9)] ?? 0) <= 3_000, `${times[Math.floor(times.length * 0.9)]} ms`);
  assert.ok((times.at(-1) ?? 0) <= 120_000, `${times.at(-1)} ms`);
});

test('F43 where a firewall stops STUN alone, WireGuard itself meets in the second common slot', () => {
  const world = createWorld({ kinds: ['drop', 'accept'], startAt: [0, 3_000] });
  world.blocksStun = true;
  world.run(300_000, () => world.hosts.every(({ connectedAt }) => connectedAt !== undefined));
  for (const host of world.hosts) {
    assert.ok((host.connectedAt ?? 1e9) <= 190_000, `${host.connectedAt}`);
    assert.deepEqual(host.breaches, []);
  }
});

test('F43 a host without NAT is asked in full at once: who comes need not wait until it has read the store', () => {
  for (const mapping of ['preserving', 'symmetric'] as const) {
    const o: Case = { kinds: ['accept', 'accept'], startAt: [40_000, 0], mappings: [mapping, 'none'], pollMs: 300_000 };
    assert.ok(timeToValid(o, 60_000) <= 10, mapping);
  }
});
