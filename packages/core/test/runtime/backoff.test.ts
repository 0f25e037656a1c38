import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createBackoff } from '#src/runtime/backoff.js';

test('pauses grow by the factor up to the most, and reset begins again', () => {
  const backoff = createBackoff({ firstMs: 100, factor: 2, mostMs: 500, jitter: 0, random: () => 0.5 });
  assert.deepEqual([1, 2, 3, 4, 5].map(backoff.next), [100, 200, 400, 500, 500]);
  backoff.reset();
  assert.equal(backoff.next(), 100);
});

test('jitter takes away a part of a pause and never the growth', () => {
  const backoff = createBackoff({ firstMs: 100, factor: 2, mostMs: 1000, jitter: 0.2, random: () => 0.5 });
  assert.deepEqual([1, 2, 3].map(backoff.next), [90, 180, 360]);
});

test('a pause is never longer than the most, never shorter than the jitter allows', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1, max: 1000, noNaN: true }),
      fc.double({ min: 1, max: 4, noNaN: true }),
      fc.double({ min: 1, max: 5000, noNaN: true }),
      fc.double({ min: 0, max: 0.9, noNaN: true }),
      (firstMs, factor, mostMs, jitter) => {
        const backoff = createBackoff({ firstMs, factor, mostMs, jitter, random: Math.random });
        for (let i = 0; i < 20; i += 1) {
          const ms = backoff.next();
          assert.ok(ms <= mostMs && ms >= Math.min(firstMs, mostMs) * (1 - jitter) - 1e-9, `${ms}`);
        }
      },
    ),
  );
});
