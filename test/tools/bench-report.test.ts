/** The bench's verdicts: a target for the median, one for the worst run, or both. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, meets } from '../bench/report.js';

test('each target is held by its own number, and a run without a number is the worst there is', () => {
  const values = [100, 120, 900];
  const [middle, worst] = [median(values), Math.max(...values)];
  assert.equal(middle, 120);
  assert.ok(meets({ median: 120 }, middle, worst));
  assert.ok(!meets({ median: 119 }, middle, worst));
  assert.ok(meets({ median: 200, worst: 900 }, middle, worst));
  assert.ok(!meets({ median: 200, worst: 899 }, middle, worst));
  assert.ok(!meets({ worst: 1_000 }, middle, Number.POSITIVE_INFINITY));
  assert.ok(!meets({ median: 1_000 }, Number.NaN, 1));
});
