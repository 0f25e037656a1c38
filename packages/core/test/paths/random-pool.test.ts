/** Unpredictable bytes in small portions. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createRandomPool } from '#src/paths/random-pool.js';

test('no byte is handed out twice, and the system is asked once for many portions', () => {
  const fetched: Uint8Array[] = [];
  const take = createRandomPool((bytes) => {
    const portion = randomBytes(bytes);
    fetched.push(portion);
    return portion;
  });
  const taken = Array.from({ length: 1_024 }, () => take(8));
  assert.equal(fetched.length, 2);
  assert.deepEqual(Buffer.concat(taken), Buffer.concat(fetched));
});

test('a portion is a copy of its own, and what is longer than the pool is fetched', () => {
  const take = createRandomPool((bytes) => new Uint8Array(bytes).fill(7));
  take(8).fill(0);
  assert.deepEqual(take(8), new Uint8Array(8).fill(7));
  assert.equal(take(5_000).length, 5_000);
});
