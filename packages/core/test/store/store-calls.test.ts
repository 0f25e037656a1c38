/** What whoever measures learns of calls to a store, and what a store says of itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CallOptions, type Store, StunmeshError } from '#src/api/index.js';
import type { EndedCall } from '#src/store/call.js';
import { guardStore } from '#src/store/guarded-store.js';
import { createFakeClock, createMemoryLogger, createMemoryStore } from '#src/testing/index.js';

const KEY = 'a'.repeat(40);
const OTHER = 'b'.repeat(40);

function open(replaced: Partial<Store>) {
  const clock = createFakeClock();
  const calls: EndedCall[] = [];
  const store = guardStore({
    name: 'test',
    store: Object.assign(createMemoryStore(), replaced),
    traits: { maxValueBytes: 100, minPollMs: 500 },
    timeoutMs: 1_000,
    clock,
    logger: createMemoryLogger(),
    onCall: (call) => calls.push(call),
  });
  return { clock, calls, store };
}

test('each call to a store is told with its operation, its time, and the code of its failure; one for many keys is one', async () => {
  const free: CallOptions = { signal: new AbortController().signal };
  const { clock, calls, store } = open({
    get: async () => {
      await clock.sleep(30);
      return undefined;
    },
    set: () => new Promise(() => undefined),
    getMany: async () => {
      throw new StunmeshError('ERR_STORE_DENIED', 'no');
    },
  });
  const reading = store.get(KEY, free);
  await clock.advance(30);
  await reading;
  const writing = assert.rejects(store.set(KEY, 'ab', free), { code: 'ERR_DEADLINE' });
  await clock.advance(1_000);
  await writing;
  await store.getMany([KEY, OTHER], free);
  await store.delete?.(KEY, free);
  assert.deepEqual(calls, [
    { operation: 'get', ms: 30 },
    { operation: 'set', ms: 1_000, code: 'ERR_DEADLINE' },
    { operation: 'get', ms: 0, code: 'ERR_STORE_DENIED' },
    { operation: 'delete', ms: 0 },
  ]);
});

test('a call that its caller gave up, or that never reached the store, is not told', async () => {
  const { clock, calls, store } = open({ get: () => new Promise(() => undefined) });
  const caller = new AbortController();
  const reading = assert.rejects(store.get(KEY, { signal: caller.signal }));
  await clock.advance(10);
  caller.abort();
  await reading;
  await assert.rejects(store.set('no key', 'ab', { signal: new AbortController().signal }));
  assert.deepEqual(calls, []);
});

test('what a store says of itself is one short line, or nothing', () => {
  const noteOf = (note: unknown) => open({ note: note as () => string }).store.note?.();
  assert.equal(
    noteOf(() => ' a\nnote '),
    'a note',
  );
  assert.equal(
    noteOf(() => {
      throw new Error('no');
    }),
    undefined,
  );
  assert.equal(
    noteOf(() => 7),
    undefined,
  );
  assert.ok((noteOf(() => 'x'.repeat(5_000))?.length ?? 0) <= 200);
  assert.equal(open({}).store.note, undefined);
});
