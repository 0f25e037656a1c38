/** Budgets of reactions and the memory of records that were seen, by themselves (F77). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEndpoint } from '#src/net/index.js';
import { createReactionBudget } from '#src/peers/reaction-budget.js';
import { createSeenRecords } from '#src/peers/seen-records.js';

test('F77 a burst is allowed at once, as much again within a minute, and nothing is saved up beyond a burst', () => {
  const budget = createReactionBudget();
  assert.equal(budget.take('probe', 0, 100), 6);
  assert.equal(budget.take('probe', 0), 0);
  let more = 0;
  for (let now = 0; now <= 60_000; now += 100) more += budget.take('probe', now);
  assert.equal(more, 6);
  assert.equal(budget.take('probe', 3_600_000, 100), 6);
});

test('F77 one kind of reaction takes nothing from another, and tells when it is allowed again', () => {
  const budget = createReactionBudget();
  assert.equal(budget.nextAt('renewal', 5), 5);
  assert.equal(budget.take('renewal', 0, 6), 6);
  assert.equal(budget.nextAt('renewal', 0), 10_000);
  assert.equal(budget.take('renewal', 9_999), 0);
  assert.equal(budget.take('renewal', 10_000), 1);
  assert.equal(budget.take('punch', 0, 2), 2);
});

test('F77 a record is new once; one without a time may be new again after a minute', () => {
  const seen = createSeenRecords();
  const ipv4 = parseEndpoint('192.0.2.1:1') ?? assert.fail();
  const other = { ipv4: parseEndpoint('192.0.2.2:2') ?? assert.fail() };
  assert.equal(seen.seenBefore({ ipv4, t: 1 }, 0), false);
  assert.equal(seen.seenBefore({ ipv4, t: 2 }, 0), false);
  assert.equal(seen.seenBefore({ ipv4, t: 1 }, 3_600_000), true);
  assert.equal(seen.seenBefore(other, 0), false);
  assert.equal(seen.seenBefore(other, 59_999), true);
  assert.equal(seen.seenBefore(other, 60_000), false);
});

test('F77 of many records the oldest are forgotten, so that their memory is bounded', () => {
  const seen = createSeenRecords();
  for (let t = 0; t < 1_000; t += 1) assert.equal(seen.seenBefore({ t }, 0), false);
  assert.equal(seen.seenBefore({ t: 999 }, 0), true);
  assert.equal(seen.seenBefore({ t: 0 }, 0), false);
});
