/** Routers that take in what nobody asked for: no packet of ours reaches them before their side has opened, so the pair connects. */
import assert from 'node:assert/strict';
import { labTest } from '../lab/steps/lab-test.js';
import { meet } from './steps/meeting.js';
import { accepting } from './steps/meetings.js';

const ROOM = 4;

for (const [which, apartMs, store] of [
  ['both', 0, 'watch'],
  ['both', 2_000, 'polling'],
  ['the earlier', 2_000, 'watch'],
  ['the later', 2_000, 'watch'],
] as const) {
  const meeting = accepting(which, apartMs, store);
  labTest(`F43 ${meeting.name}`, meeting.spec, async (lab) => {
    const limitMs = meeting.targetMs * ROOM;
    assert.ok((await meet(lab, meeting, limitMs)) <= limitMs, `no pings both ways within ${limitMs} ms`);
  });
}
