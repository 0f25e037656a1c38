/** The real clock: aborts, deadlines that leave nothing behind, and sleeps longer than a timer can be. */
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { hasCode } from '#src/api/index.js';
import { createSystemClock } from '#src/runtime/system-clock.js';

const clock = createSystemClock();
const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

test('sleep resolves no sooner than asked', async () => {
  const before = clock.now();
  await clock.sleep(20);
  assert.ok(clock.now() - before >= 19);
  await clock.sleep(0);
  await clock.sleep(-5);
});

test('sleep rejects with the reason of the signal, at once, and frees its timer', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const before = timers();
  const sleeping = clock.sleep(3_600_000, controller.signal);
  controller.abort(reason);
  await assert.rejects(sleeping, (error) => error === reason);
  await assert.rejects(clock.sleep(10, controller.signal), (error) => error === reason);
  assert.equal(timers(), before);
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
});

test('a sleep of 40 days does not fire at once', async () => {
  const controller = new AbortController();
  let woke = false;
  const sleeping = clock.sleep(40 * 86_400_000, controller.signal).then(() => {
    woke = true;
  });
  await clock.sleep(30);
  assert.equal(woke, false);
  controller.abort();
  await assert.rejects(sleeping);
});

test('a deadline aborts with ERR_DEADLINE, a long one does not fire at once', async () => {
  using deadline = clock.deadline(10);
  using long = clock.deadline(40 * 86_400_000);
  await clock.sleep(40);
  assert.ok(hasCode(deadline.signal.reason, 'ERR_DEADLINE'));
  assert.equal(long.signal.aborted, false);
});

test('a deadline follows its parent, and disposed it leaves no timer and no listener', async () => {
  const parent = new AbortController();
  const before = timers();
  {
    using deadline = clock.deadline(3_600_000, parent.signal);
    assert.equal(getEventListeners(parent.signal, 'abort').length, 1);
    assert.equal(deadline.signal.aborted, false);
  }
  assert.equal(timers(), before);
  assert.equal(getEventListeners(parent.signal, 'abort').length, 0);

  const reason = new Error('over');
  using child = clock.deadline(3_600_000, parent.signal);
  parent.abort(reason);
  assert.equal(child.signal.reason, reason);
  using late = clock.deadline(3_600_000, parent.signal);
  assert.equal(late.signal.reason, reason);
});
