import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, type Store, StunmeshError } from '#src/api/index.js';
import { guardStore } from '#src/store/guarded-store.js';
import { createFakeClock } from '#src/testing/fake-clock.js';
import { createMemoryLogger } from '#src/testing/memory-logger.js';

const { signal } = new AbortController();
const key = (n: number) => n.toString(16).padStart(40, '0');

/** A backend that counts its calls and refuses one key. */
function openCounted() {
  const values = new Map<string, string>();
  const calls: string[] = [];
  const refused = key(7);
  const error = new StunmeshError('ERR_STORE_DENIED', 'not this one');
  const store: Store = {
    async get(k) {
      calls.push('get');
      return values.get(k);
    },
    async set(k, value) {
      calls.push('set');
      values.set(k, value);
    },
    async getMany(keys) {
      calls.push(`getMany ${keys.length}`);
      const found = new Map<string, string | StunmeshError>();
      for (const k of keys) {
        const value = k === refused ? error : values.get(k);
        if (value !== undefined) found.set(k, value);
      }
      return found;
    },
    async setMany(records) {
      calls.push(`setMany ${records.size}`);
      for (const [k, value] of records) if (k !== refused) values.set(k, value);
      return records.has(refused) ? new Map([[refused, error]]) : new Map();
    },
    async [Symbol.asyncDispose]() {},
  };
  const guarded = guardStore({
    name: 'counted',
    store,
    traits: { maxValueBytes: 100, minPollMs: 0 },
    timeoutMs: 1000,
    clock: createFakeClock(),
    logger: createMemoryLogger(),
  });
  return { guarded, calls, values };
}

test('F36 what is asked for in one turn goes to the backend in one call', async () => {
  const { guarded, calls } = openCounted();
  const keys = Array.from({ length: 1000 }, (_, n) => key(n + 100));
  await Promise.all(keys.map((k) => guarded.set(k, 'ab', { signal })));
  const values = await Promise.all(keys.map((k) => guarded.get(k, { signal })));
  assert.deepEqual(calls, ['setMany 1000', 'getMany 1000']);
  assert.ok(values.every((value) => value === 'ab'));
  assert.deepEqual([guarded.counters.gets, guarded.counters.sets], [1000, 1000]);
});

test('a key that is alone in its turn takes the single call, and an absent one is undefined in either', async () => {
  const { guarded, calls } = openCounted();
  assert.equal(await guarded.get(key(1), { signal }), undefined);
  assert.deepEqual(await Promise.all([guarded.get(key(1), { signal }), guarded.get(key(2), { signal })]), [
    undefined,
    undefined,
  ]);
  assert.deepEqual(calls, ['get', 'getMany 2']);
});

test('F13 a key that is refused, malformed or too long fails alone', async () => {
  const { guarded, values } = openCounted();
  const results = await Promise.allSettled([
    guarded.set(key(7), 'ab', { signal }),
    guarded.set(key(8), 'cd', { signal }),
    guarded.set('nonsense', 'cd', { signal }),
    guarded.set(key(9), 'ee'.repeat(60), { signal }),
  ]);
  assert.deepEqual(
    results.map((r) => r.status),
    ['rejected', 'fulfilled', 'rejected', 'rejected'],
  );
  const codes = results.map((r) => (r.status === 'rejected' ? (r.reason as { code: string }).code : ''));
  assert.deepEqual(codes, ['ERR_STORE_DENIED', '', 'ERR_STORE_INPUT', 'ERR_STORE_TOO_LARGE']);
  assert.deepEqual([...values], [[key(8), 'cd']]);
  await assert.rejects(Promise.all([guarded.get(key(7), { signal }), guarded.get(key(8), { signal })]), (e) =>
    hasCode(e, 'ERR_STORE_DENIED'),
  );
});

test('a key asked for twice in one turn answers both, and the later value counts', async () => {
  const { guarded, values } = openCounted();
  await Promise.all([
    guarded.set(key(3), 'aa', { signal }),
    guarded.set(key(3), 'bb', { signal }),
    guarded.set(key(4), 'cc', { signal }),
  ]);
  assert.equal(values.get(key(3)), 'bb');
  assert.deepEqual(await Promise.all([guarded.get(key(3), { signal }), guarded.get(key(3), { signal })]), ['bb', 'bb']);
});
