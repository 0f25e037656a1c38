/** The first ping, and the first one after each kind of change, comes within seconds. */
import { describe } from 'node:test';
import { labTest } from '../lab/steps/lab-test.js';
import { within } from './steps/healing.js';
import {
  BOTH_MOVE,
  DEVICE_RECREATED,
  deadPeer,
  HOST_MOVES,
  IPV6_DIES,
  MOVED_MEANWHILE,
  NAT_MOVES,
  natForgets,
  PEER_RESTARTED,
  PORT_CHANGES,
  portFreed,
  SYMMETRIC_HOST_MOVES,
} from './steps/scenarios.js';
import { IPV6_DEAD_AT_START, type Scenario, secondLater, withoutRenewal } from './steps/start.js';

/** Rule of the field first, where one covers it. */
const SCENARIOS: readonly (readonly [string, Scenario])[] = [
  ['F18 ', withoutRenewal(25)],
  ['F23 ', secondLater('watch', 3000)],
  ['F23 ', secondLater('polling', 3000)],
  ['', NAT_MOVES],
  ['', BOTH_MOVE],
  ['', MOVED_MEANWHILE],
  ['F27 ', HOST_MOVES],
  ['F27 ', SYMMETRIC_HOST_MOVES],
  ['F16 ', natForgets('port-restricted')],
  ['F16 ', natForgets('symmetric')],
  ['', portFreed(8000)],
  ['F28 ', deadPeer(1000, 1000, 'global')],
  ['F28 ', deadPeer(2000, 2000)],
  ['F28 ', deadPeer(1000, 3000)],
  ['F28 ', deadPeer(5000, 1000)],
  ['', IPV6_DEAD_AT_START],
  ['', IPV6_DIES],
  ['F26 ', DEVICE_RECREATED],
  ['F26 ', PORT_CHANGES],
  ['F26 ', PEER_RESTARTED],
];

// They wait more than they work; each has a laboratory of its own.
describe('a pair', { concurrency: 3 }, () => {
  for (const [rule, scenario] of SCENARIOS) {
    labTest(`${rule}${scenario.name}: within ${scenario.limitMs / 1000} s`, scenario.spec, async (lab, t) => {
      const tookMs = await scenario.measure(lab, scenario.limitMs);
      t.diagnostic(`${tookMs} ms; target ${scenario.targetMs} ms`);
      within(tookMs, scenario.limitMs, scenario.name);
    });
  }
});
