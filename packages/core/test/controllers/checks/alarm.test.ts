/** The one timer of a device's checks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAlarm, togetherMs } from '#src/controllers/checks/alarm.js';
import { createFakeClock } from '#src/testing/index.js';

function alarm() {
  const clock = createFakeClock();
  const rings: number[] = [];
  const one = createAlarm(clock, new AbortController().signal, () => rings.push(clock.now()));
  return { clock, rings, one };
}

test('it rings at the earliest moment that was asked for, and once', async () => {
  const { clock, rings, one } = alarm();
  for (const when of [300, 100, 200]) one.at(when);
  await clock.advance(1_000);
  assert.deepEqual(rings, [100]);
});

test('what is due at once waits as long as rings are apart', async () => {
  const { clock, rings, one } = alarm();
  one.at(0);
  await clock.advance(10);
  one.gather(50);
  one.at(clock.now());
  await clock.advance(100);
  assert.deepEqual(rings, [5, 60]);
});

test('few peers are served at once, a thousand twenty times a second', () => {
  assert.deepEqual([0, 1, 100, 400, 1_000, 10_000].map(togetherMs), [5, 5, 5, 20, 50, 50]);
});
