import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeClock } from '@stunmesh/core/testing';
import { createApiReader } from '#src/api-reader.js';
import type { TxtRecord, ZoneApi } from '#src/zone-api.js';

const A = 'a'.repeat(40);
const B = 'b'.repeat(40);
const { signal } = new AbortController();

test('a listing that a write overtook answers those who waited for it, and nobody later', async () => {
  const clock = createFakeClock();
  const answers: ((content: string) => void)[] = [];
  const api: ZoneApi = {
    list: () =>
      new Promise((resolve) => {
        answers.push((content) => {
          const record = (key: string): TxtRecord => ({ id: key, key, content, modifiedOn: '' });
          resolve([record(A), record(B)]);
        });
      }),
    batch: async () => {},
  };
  const reader = createApiReader({ api, clock });
  const early = reader.getMany([A, B], signal);
  await clock.advance(20);
  reader.forget();
  answers[0]?.('01');
  assert.equal((await early).get(A), '01');
  const late = reader.get(A, signal);
  await clock.advance(20);
  assert.equal(answers.length, 2, 'looked again');
  answers[1]?.('02');
  assert.equal(await late, '02');
  assert.equal(await reader.get(B, signal), '02', 'this one is fresh');
  assert.equal(answers.length, 2);
  reader[Symbol.dispose]();
});
