import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clampTime, freshness, nextTime } from '#src/record/freshness.js';

const NOW = Date.UTC(2027, 0, 1) / 1000;

test('F21 the time of a record never goes back: clock set back, state lost, router booted in 1970', () => {
  assert.equal(nextTime(NOW, undefined, undefined), NOW);
  assert.equal(nextTime(NOW - 7200, NOW, undefined), NOW + 1);
  assert.equal(nextTime(60, undefined, NOW), NOW + 1);
  assert.equal(nextTime(NOW, NOW, NOW + 5), NOW + 6);
});

test('F21 a record older than the one that proved itself, or without a time, has to wait', () => {
  assert.equal(freshness(NOW, undefined, NOW), 'new');
  assert.equal(freshness(undefined, undefined, NOW), 'new');
  assert.equal(freshness(NOW, NOW, NOW), 'new');
  assert.equal(freshness(NOW - 1, NOW, NOW), 'old');
  assert.equal(freshness(undefined, NOW, NOW), 'old');
});

test('F21 a floor in the far future locks nobody out', () => {
  assert.equal(clampTime(NOW + 1e6, NOW), NOW + 3600);
  assert.equal(freshness(NOW + 3600, NOW + 1e6, NOW), 'new');
  assert.equal(clampTime(NOW, 60), NOW, 'a clock that was never set cannot judge');
});
