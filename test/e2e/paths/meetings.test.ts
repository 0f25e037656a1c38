/** Several ways lead from one host to the other: the right peer is met, by the best of them, and soon. */
import assert from 'node:assert/strict';
import { labTest } from '../lab/steps/lab-test.js';
import { expectPath, type Meeting, meet } from './steps/meeting.js';
import { brokenFamily, COMMON_INNER, EQUAL_PREFIXES, HAIRPIN, ONE_CARRIER, ONE_LAN } from './steps/meetings.js';

/** The bench holds the targets; a loaded machine gets so many times that. */
const ROOM = 6;

const MEETINGS: readonly Meeting[] = [
  ONE_LAN,
  HAIRPIN,
  COMMON_INNER,
  ONE_CARRIER,
  EQUAL_PREFIXES,
  brokenFamily(4),
  brokenFamily(6),
];
for (const meeting of MEETINGS) {
  labTest(`F46 F47 ${meeting.name}: the best path is taken`, meeting.spec, async (lab) => {
    const limitMs = meeting.targetMs * ROOM;
    const tookMs = await meet(lab, meeting, limitMs);
    assert.ok(tookMs <= limitMs, `no pings both ways within ${limitMs} ms`);
    await expectPath(lab, meeting);
  });
}
