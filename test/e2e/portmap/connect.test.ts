/** One mapped port connects pairs of NATs that do not connect otherwise, by each protocol. */
import assert from 'node:assert/strict';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel } from '../lab/steps/pair.js';
import { startRouter } from './steps/router.js';

const PAIRS = [
  ['symmetric', 'port-restricted', 'pcp'],
  ['symmetric', 'symmetric', 'nat-pmp'],
  ['symmetric', 'symmetric', 'upnp'],
] as const;
/** "First ping within 2 s" with the file store, and what a loaded machine may add. */
const FIRST_PING_MS = 10_000;

for (const [a, b, protocol] of PAIRS) {
  labTest(
    `${a} with a port mapped by ${protocol} and ${b} connect`,
    { sides: { a: { nats: [a] }, b: { nats: [b] } }, coturn: [1, 2] },
    async (lab, t) => {
      const [one, two] = [lab.host('a'), lab.host('b')];
      const router = await startRouter(lab, one, {});
      await Promise.all([one.startDaemon({ device: { port_mapping: [protocol] } }), two.startDaemon()]);
      const ms = await two.firstPing(one, { deadlineMs: FIRST_PING_MS });
      t.diagnostic(`first ping after ${ms} ms`);
      await expectTunnel(one, two);
      assert.match(await router.rules(), /dnat/);
    },
  );
}
