/** What `status` says of how soon a peer is found, and the pace behind it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { formatStatus } from '#src/control/format-status.js';
import { firstReadAt, nextReadAt, readGapMs } from '#src/controllers/establish/read-pace.js';
import { createHarness, type Harness } from '../controllers/harness.js';

const status = (h: Harness) => formatStatus([h.snapshot()], h.clock.wallNow(), { columns: 200 });
const main = (h: Harness) => h.stores.get('main') ?? assert.fail();

test('status says nothing of a store that tells of changes, and of a silent, a lost and an incomplete watch what it means', async () => {
  const h = createHarness();
  await h.start();
  await h.advance(60_000);
  assert.doesNotMatch(status(h), /store "main"/);
  main(h).silent = true;
  await h.advance(60_000);
  assert.match(status(h), /! store "main": its watch has been silent for \d+ s, so records are polled/);
  main(h).loseWatches(new StunmeshError('ERR_STORE_UNAVAILABLE', 'the connection was lost'));
  assert.match(
    status(h),
    /! store "main": it has not been watched for 0 s, so records are polled: .*the connection was lost/,
  );
  const other = createHarness();
  main(other).incomplete = 'on NFS the changes that other machines make are not seen';
  await other.start();
  await other.advance(2_000);
  assert.match(status(other), /^ {2}store "main": it tells of some changes only, so records are polled: on NFS/m);
});

test('status says how often each of a crowd is read, and nothing of it where nobody is looked for', async () => {
  const h = createHarness({ peers: 60, stores: { main: { maxCalls: 1 } }, watch: false });
  await h.start();
  await h.advance(10_000);
  assert.match(status(h), /store "main": each peer that is looked for is read every 6 s/);
  const few = createHarness({ watch: false });
  await few.start();
  await few.advance(10_000);
  assert.doesNotMatch(status(few), /is read every/);
});

test('F23 the pace falls with the number of those that are polled, by what a call costs, and not below the refresh', () => {
  const traits = { maxValueBytes: 1_000, minPollMs: 500 };
  const gap = (polled: number, more = {}, age = 0) =>
    readGapMs({ traits, readsMany: false, polled, refreshIntervalMs: 600_000, ...more }, age);
  assert.deepEqual(
    [gap(1), gap(50), gap(1_000), gap(100_000)],
    [1_000, 1_000, 20_000, 600_000],
    'one call for each key',
  );
  assert.deepEqual([gap(100, { readsMany: true }), gap(10_000, { readsMany: true })], [1_000, 100_000]);
  assert.deepEqual(
    [gap(10, { traits: { ...traits, maxCalls: 1 } }), gap(1_000, { traits: { ...traits, maxCalls: 1 } })],
    [1_000, 100_000],
  );
  assert.equal(gap(1, { traits: { ...traits, minPollMs: 30_000 } }), 30_000);
  assert.equal(gap(1, {}, 3_600_000), 15_000);
});

test('F36 readings of a crowd are spread, in lots where several keys are one call, and a few are read together', () => {
  const traits = { maxValueBytes: 1_000, minPollMs: 500 };
  const moments = (polled: number, readsMany: boolean, first: boolean) => {
    const pace = { traits, readsMany, polled, refreshIntervalMs: 600_000 };
    const gapMs = readGapMs(pace, 0);
    const at = Array.from({ length: polled }, (_, i) =>
      (first ? firstReadAt : nextReadAt)(pace, gapMs, 70_001, i / polled),
    );
    return { distinct: new Set(at).size, from: Math.min(...at) - 70_001, until: Math.max(...at) - 70_001, gapMs };
  };
  assert.deepEqual(moments(40, false, false), { distinct: 1, from: 1_000, until: 1_000, gapMs: 1_000 });
  assert.deepEqual(moments(300, true, false), { distinct: 1, from: 3_000, until: 3_000, gapMs: 3_000 });
  assert.deepEqual(moments(300, true, true), { distinct: 1, from: 0, until: 0, gapMs: 3_000 });
  assert.equal(moments(300, false, false).distinct, 300);
  for (const first of [true, false]) {
    const { distinct, from, until, gapMs } = moments(10_000, true, first);
    assert.ok(distinct >= 20 && distinct <= 42, `${distinct} moments`);
    assert.ok(from >= (first ? 0 : 0.7 * gapMs) && until <= (first ? 1.1 : 1.3) * gapMs, `${from} to ${until} ms`);
  }
});
