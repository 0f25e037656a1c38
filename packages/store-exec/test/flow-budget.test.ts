import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '@stunmesh/core/api';
import { createFakeClock } from '@stunmesh/core/testing';
import { createFlowBudget } from '#src/flow-budget.js';

const tooMuch = (error: unknown) => hasCode(error, 'ERR_EXEC_OUTPUT');

test('F76 a thousand lines at once, fifty a second; a watched key adds ten and one', async () => {
  const clock = createFakeClock();
  let watched = 0;
  const budget = createFlowBudget(clock, () => watched);
  for (let n = 0; n < 1000; n += 1) budget.unasked(1);
  assert.throws(() => budget.unasked(1), tooMuch);
  await clock.advance(1000);
  for (let n = 0; n < 49; n += 1) budget.unasked(1);
  assert.throws(() => budget.unasked(1), tooMuch);
  watched = 10;
  for (let n = 0; n < 99; n += 1) budget.unasked(1);
  assert.throws(() => budget.unasked(1), tooMuch);
});

test('F76 few lines of many bytes are too much as well, and so is stderr', async () => {
  const clock = createFakeClock();
  const budget = createFlowBudget(clock, () => 0);
  for (let n = 0; n < 64; n += 1) budget.unasked(65_536);
  assert.throws(() => budget.unasked(65_536), tooMuch);
  for (let n = 0; n < 16; n += 1) budget.stderr(65_536);
  assert.throws(() => budget.stderr(1), tooMuch);
  await clock.advance(1100);
  budget.stderr(65_000);
});

test('a plugin that tells of each of 1,000 keys every second is never over it', async () => {
  const clock = createFakeClock();
  const budget = createFlowBudget(clock, () => 1000);
  for (let second = 0; second < 600; second += 1) {
    for (let n = 0; n < 1000; n += 1) budget.unasked(200);
    await clock.advance(1000);
  }
});
