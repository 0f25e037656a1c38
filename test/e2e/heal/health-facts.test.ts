/** The table of health cases, on wireguard-go; test/vm runs the same on kernel devices. */
import assert from 'node:assert/strict';
import { labTest } from '../lab/steps/lab-test.js';
import { healthFacts } from './steps/health-facts.js';

labTest(
  'F16 what wireguard-go shows of a peer is read as life, as an inbound initiation, or as neither',
  { sides: { a: {}, b: {} } },
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    await a.setEndpoint(b, `${b.publicAddress}:${b.plan.listenPort}`);
    await b.setEndpoint(a, `${a.publicAddress}:${a.plan.listenPort}`);
    for (const { what, expected, seen } of await healthFacts(a, b)) assert.equal(seen, expected, what);
  },
);
