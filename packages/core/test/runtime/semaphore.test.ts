/** At most so many at once, in order, whatever fails. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSemaphore } from '#src/runtime/semaphore.js';
import { settle } from '#src/testing/index.js';

test('F14 no more than allowed run at once, all run, in order', async () => {
  const gate = createSemaphore(3);
  const begun: number[] = [];
  let active = 0;
  let most = 0;
  const work = Array.from({ length: 20 }, (_, i) =>
    gate.run(async () => {
      begun.push(i);
      active += 1;
      most = Math.max(most, active);
      await settle(1 + (i % 3));
      active -= 1;
      return i;
    }),
  );
  assert.deepEqual(await Promise.all(work), [...work.keys()]);
  assert.equal(most, 3);
  assert.deepEqual(begun, [...work.keys()]);
});

test('work that fails gives its place free', async () => {
  const gate = createSemaphore(1);
  for (let i = 0; i < 3; i += 1) await assert.rejects(gate.run(async () => Promise.reject(new Error('no'))));
  assert.equal(await gate.run(async () => 'yes'), 'yes');
});
