/** Hard NATs whose next ports can be told: one after the other, a block, and two that count on; a few packets each. */
import assert from 'node:assert/strict';
import type { Host } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';

/** What comes before the slot, and one series. */
const LIMIT_MS = 110_000;
const STUN = [1, 2, 3, 4].map((n) => `203.0.113.${n}:3478`);
/** The peer at the other end of each pair, and how many packets a side may send. */
const PAIRS = [
  { what: 'sequential and port-restricted', sides: ['a', 'b'], most: 3 + 128 },
  { what: 'a block of 1,024 and port-restricted', sides: ['c', 'd'], most: 3 * 64 + 128 },
  { what: 'two sequential ones', sides: ['e', 'f'], most: 3 * 25 + 5 },
] as const;

async function searched(host: Host): Promise<number> {
  return (await host.daemons[0]?.status())?.devices[0]?.checks?.searched ?? 0;
}

labTest(
  'F61 where the next ports can be told a few packets are enough, without any choice in the configuration',
  {
    sides: {
      a: { nats: ['sequential'] },
      b: { nats: ['port-restricted'] },
      c: { nats: ['block'] },
      d: { nats: ['port-restricted'] },
      e: { nats: ['sequential'] },
      f: { nats: ['sequential'] },
    },
    coturn: [1, 2, 3, 4],
    slotInSeconds: 45,
  },
  async (lab) => {
    const pairs = PAIRS.map(({ sides: [one, other], ...rest }) => ({ ...rest, a: lab.host(one), b: lab.host(other) }));
    await Promise.all(
      pairs.flatMap(({ a, b }) => [
        a.startDaemon({ stun: STUN, peers: [b.name] }),
        b.startDaemon({ stun: STUN, peers: [a.name] }),
      ]),
    );
    await Promise.all(
      pairs.map(async ({ a, b, what, most }) => {
        const ping = await a.firstPing(b, { deadlineMs: LIMIT_MS });
        const packets = [await searched(a), await searched(b)];
        assert.ok(ping !== undefined, `${what}: ${packets}; ${JSON.stringify(await a.daemons[0]?.status())}`);
        assert.ok(
          packets.every((count) => count <= most),
          `${what}: ${packets}`,
        );
        assert.deepEqual(await a.pingBurst(b, 50, 0.02), { sent: 50, received: 50 });
      }),
    );
  },
  150_000,
);
