import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRandom } from './random.js';
import { Router } from './router.js';
import { World } from './simulator.js';

const kind = fc.constantFrom('drop' as const, 'accept' as const);
const side = fc.record({
  kind,
  startAt: fc.nat(10_000),
  clockAhead: fc.nat(4_000),
  pollMs: fc.option(fc.integer({ min: 200, max: 3_000 }), { nil: undefined }),
  hasEarlier: fc.boolean(),
});
const world = fc.record({
  a: side,
  b: side,
  oneWayMs: fc.integer({ min: 1, max: 200 }),
  lostOfTen: fc.constantFrom(0, 0, 1, 3),
  poisoned: fc.boolean(),
  seed: fc.nat(),
});

test('F43 whatever the routers, starts, clocks, stores, losses and earlier lives: no full packet too early, and valid within 4 minutes', () => {
  fc.assert(
    fc.property(world, ({ a, b, oneWayMs, lostOfTen, poisoned, seed }) => {
      const [first, second] = [a, b].map((o, i) => ({
        router: new Router(`203.0.113.${11 + i}`, o.kind, 'preserving' as const),
        smaller: i === 0,
        startAt: o.startAt,
        clockAhead: o.clockAhead,
        ...(o.pollMs === undefined ? {} : { pollMs: o.pollMs }),
        ...(o.hasEarlier ? { earlier: { t: 1_796_111_000 + i, n: 9, ack: (1_796_111_001 - i) % 0x10000 } } : {}),
      }));
      assert.ok(first && second);
      const simulated = new World(first, second, oneWayMs);
      const random = createRandom(seed + 1);
      simulated.isLost = () => random(10) < lostOfTen;
      if (poisoned) simulated.poison();
      simulated.run(250_000);
      for (const host of simulated.hosts) {
        assert.deepEqual(host.breaches, []);
        assert.ok(host.validAt !== undefined, 'not valid in time');
      }
    }),
    { numRuns: 300 },
  );
});
