/** The ring of 24 hours: what is kept of phases, of time without a tunnel and of round trips, and how much memory it takes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BUCKET_MS, BUCKETS, TRACK_BYTES, Track } from '#src/page/track.js';

const MINUTE = 60_000;

test('phases as runs, the worst of each ten minutes; seconds without a tunnel where there were some', () => {
  const track = new Track('waiting', 0);
  track.enter('connected', 30_000);
  track.enter('suspect', 25 * MINUTE);
  track.enter('connected', 25 * MINUTE + 12_000);
  track.enter('idle', 30 * MINUTE);
  const { phases, lost } = track.snapshot(45 * MINUTE);
  assert.equal(phases, '-139w1c1s1i2');
  assert.deepEqual(
    lost.map(([at]) => at),
    [139, 141],
  );
  assert.ok(Math.abs((lost[0]?.[1] ?? 0) - 30) <= 3 && Math.abs((lost[1]?.[1] ?? 0) - 12) <= 3, JSON.stringify(lost));
});

test('a blip of a second counts; time that spans parts is told in each; a part without a tunnel is told as whole', () => {
  const track = new Track('connected', 0);
  track.enter('connecting', 9 * MINUTE);
  track.enter('connected', 31 * MINUTE);
  track.enter('suspect', 35 * MINUTE);
  track.enter('connected', 35 * MINUTE + 1_000);
  const { phases, lost } = track.snapshot(36 * MINUTE);
  assert.equal(phases, '-140o3s1');
  assert.deepEqual(
    lost.map(([at, seconds]) => [at, Math.round(seconds / 10) * 10]),
    [
      [140, 60],
      [141, 600],
      [142, 600],
      [143, 60],
    ],
  );
});

test('what is older than 24 hours is gone, also after a pause that nobody looked in', () => {
  const track = new Track('suspect', 0);
  track.roundTrip(5, MINUTE);
  track.enter('connected', 2 * MINUTE);
  assert.equal(track.snapshot((BUCKETS - 1) * BUCKET_MS).phases, `s1c${BUCKETS - 1}`);
  const later = track.snapshot(BUCKETS * BUCKET_MS);
  assert.equal(later.phases, `c${BUCKETS}`);
  assert.deepEqual(later.lost, []);
  assert.ok(Buffer.from(later.rtt, 'base64').every((byte) => byte === 0));
  assert.equal(track.snapshot(50 * BUCKETS * BUCKET_MS + 17).phases, `c${BUCKETS}`);
});

test('the longest round trip of each ten minutes, to five percent from 0.1 ms to 24 s', () => {
  const track = new Track('connected', 0);
  const told = (rttMs: number, at: number): number => {
    track.roundTrip(rttMs, at);
    const code = Buffer.from(track.snapshot(at).rtt, 'base64')[BUCKETS - 1] ?? 0;
    return 0.1 * 1.05 ** (code - 1);
  };
  [0.1, 0.7, 12.5, 180, 2_400, 23_000].forEach((rttMs, i) => {
    const heard = told(rttMs, i * BUCKET_MS);
    assert.ok(Math.abs(heard / rttMs - 1) < 0.03, `${rttMs} is told as ${heard}`);
  });
  assert.ok(told(100_000, 7 * BUCKET_MS) > 20_000);
  const most = told(50, 8 * BUCKET_MS);
  assert.equal(told(10, 8 * BUCKET_MS), most);
});

test('a peer takes 432 bytes of ring, and less than a kilobyte in all', () => {
  assert.equal(TRACK_BYTES, 432);
  const before = process.memoryUsage();
  const tracks = Array.from({ length: 5_000 }, () => new Track('connected', 0));
  const after = process.memoryUsage();
  const each = (after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers) / tracks.length;
  assert.ok(each < 1_024, `${each} bytes`);
});
