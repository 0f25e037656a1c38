/** The first ping comes soon after both daemons start, whatever WireGuard was doing before. */
import assert from 'node:assert/strict';
import { sleep } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { startAll } from '../lab/steps/pair.js';

/** The bench holds the claim of 3 s; a loaded machine gets twice that here. */
const LIMIT_MS = 6000;

for (const upSeconds of [1, 3]) {
  for (const keepaliveSeconds of [0, 5, 25]) {
    labTest(
      `F18 port-restricted pair, WireGuard up for ${upSeconds} s, keepalive ${keepaliveSeconds}: the first ping comes within seconds`,
      { sides: { a: { wireguard: { keepaliveSeconds } }, b: { wireguard: { keepaliveSeconds } } }, coturn: [1, 2] },
      async (lab) => {
        const [a, b] = [lab.host('a'), lab.host('b')];
        await sleep(upSeconds * 1000);
        const startedAt = performance.now();
        await startAll([a, b]);
        const first = await a.firstPing(b, { startedAt, deadlineMs: LIMIT_MS });
        assert.ok(first !== undefined, `no ping within ${LIMIT_MS} ms`);
      },
    );
  }
}

labTest(
  'F23 the second daemon, started 3 s after the first with a refresh of 10 minutes, is found at once',
  { sides: { a: {}, b: {} }, coturn: [1, 2] },
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    await a.startDaemon({ refreshInterval: '10m' });
    await sleep(3000);
    const startedAt = performance.now();
    await b.startDaemon({ refreshInterval: '10m' });
    const first = await a.firstPing(b, { startedAt, deadlineMs: LIMIT_MS });
    assert.ok(first !== undefined, `no ping within ${LIMIT_MS} ms`);
  },
);

labTest(
  'the second daemon, started 12 s after the first while pings wait in the tunnel, is found within seconds',
  { sides: { a: {}, b: {} }, coturn: [1, 2] },
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    await a.startDaemon();
    assert.equal(await a.firstPing(b, { deadlineMs: 12_000 }), undefined);
    const startedAt = performance.now();
    await b.startDaemon();
    const first = await a.firstPing(b, { startedAt, deadlineMs: LIMIT_MS });
    assert.ok(first !== undefined, `no ping within ${LIMIT_MS} ms`);
  },
);
