/** A firewall that lets WireGuard pass and STUN not: no check is ever answered, and WireGuard itself is let go in a common slot. */
import assert from 'node:assert/strict';
import { labTest } from '../lab/steps/lab-test.js';
import { FIREWALL_SPEC, firewalledStun } from './steps/long.js';
import { endpointAt } from './steps/meeting.js';

/** The second slot of a pair comes after a round, a silence and one minute more, at most; it lasts eight seconds. */
const LIMIT_MS = 190_000;

labTest(
  'F43 where checks are never answered WireGuard meets by itself, in the second common slot',
  FIREWALL_SPEC,
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const tookMs = await firewalledStun(lab, LIMIT_MS);
    assert.ok(tookMs <= LIMIT_MS, 'no pings both ways');
    assert.equal(await endpointAt(a, b), `${b.publicAddress}:51820`);
    assert.equal(await endpointAt(b, a), `${a.publicAddress}:51820`);
  },
  LIMIT_MS + 60_000,
);
