import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StunmeshError } from '@stunmesh/core/api';
import { createFakeClock } from '@stunmesh/core/testing';
import { createBudget } from '#src/budget.js';

/** A signal for each call, as the store makes them. */
const own = () => new AbortController().signal;

test('F36 however eager the callers, no five minutes see more than 1,200 calls', async () => {
  const clock = createFakeClock();
  const budget = createBudget(clock);
  const taken: number[] = [];
  let over = false;
  const eager = Array.from({ length: 20 }, async () => {
    while (!over) {
      try {
        await budget.take(own());
        taken.push(clock.now());
      } catch (error) {
        await clock.sleep((error as StunmeshError).retryAfterMs ?? 0);
      }
    }
  });
  await clock.advance(12 * 60_000);
  over = true;
  await clock.advance(60_000);
  await Promise.all(eager);
  let most = 0;
  for (const [index, at] of taken.entries()) {
    const inside = taken.slice(index).findIndex((later) => later >= at + 5 * 60_000);
    most = Math.max(most, inside < 0 ? taken.length - index : inside);
  }
  assert.ok(most <= 1_200, `${most} calls in five minutes`);
  assert.ok(most >= 1_000, `only ${most} calls in five minutes`);
});

test('a caller who would wait too long is told when to come back', async () => {
  const clock = createFakeClock();
  const budget = createBudget(clock);
  const calls = Array.from({ length: 300 }, () => budget.take(own()).then(() => clock.now()));
  const settled = Promise.allSettled(calls);
  await clock.advance(6_000);
  const outcomes = await settled;
  const waited = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  assert.ok(waited.length >= 214 && waited.length <= 217, String(waited.length));
  assert.ok(Math.max(...waited) <= 5_000);
  const [refused] = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
  const error = refused as StunmeshError;
  assert.equal(error.code, 'ERR_STORE_UNAVAILABLE');
  assert.ok((error.retryAfterMs ?? 0) >= 5_000 && (error.retryAfterMs ?? 0) < 6_000, String(error.retryAfterMs));
});

test('a caller who gives up gives the place in line back', async () => {
  const clock = createFakeClock();
  const budget = createBudget(clock);
  await Promise.all(Array.from({ length: 200 }, () => budget.take(own())));
  const controller = new AbortController();
  const waiting = Promise.allSettled(Array.from({ length: 10 }, () => budget.take(controller.signal)));
  controller.abort(new Error('given up'));
  for (const outcome of await waiting) assert.equal(outcome.status, 'rejected');
  const began = clock.now();
  const next = budget.take(own()).then(() => clock.now() - began);
  await clock.advance(1_000);
  assert.ok((await next) <= 334);
  await assert.rejects(budget.take(controller.signal), /given up/);
});
