/** Calls while the circuit opens and closes: one finds out, the others wait for it, in their order, alone and in batches. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StunmeshError, WatchListener } from '#src/api/index.js';
import { guardStore } from '#src/store/guarded-store.js';
import { settle } from '#src/testing/fake-clock.js';
import { countListeners } from '#src/testing/listener-count.js';
import { breakIt, down, failure, free, guard, KEY, key, longest, OTHER } from './broken-store.js';

test('F13 calls that fail together count once: keys that hang do not close the store to the others', async () => {
  const hang = () => new Promise<never>(() => {});
  const g = guard({ get: async (k) => (k === KEY ? 'ab' : hang()) });
  const hanging = Array.from({ length: 30 }, (_, i) => failure(g.store.get(key(i), free)));
  const good = g.store.get(KEY, free);
  await g.clock.advance(4000);
  assert.equal(await good, 'ab');
  await Promise.all(hanging);
  assert.equal(g.store.health.state, 'up');
});

test('one call finds out whether it answers; the others wait for it and go on with it', async () => {
  const gates: (() => void)[] = [];
  let works = false;
  const g = guard({
    async get() {
      if (!works) throw down();
      await new Promise<void>((resolve) => gates.push(resolve));
      return 'ab';
    },
  });
  for (let i = 0; i < 5; i += 1) await failure(g.store.get(KEY, free));
  await g.clock.advance(longest(1000));
  works = true;
  const all = Array.from({ length: 20 }, (_, i) => g.store.get(key(i), free));
  await settle();
  assert.equal(g.calls.length, 6);
  gates.shift()?.();
  await settle();
  assert.equal(g.calls.length, 6 + 8);
  while (gates.length > 0) {
    gates.shift()?.();
    await settle();
  }
  assert.deepEqual(new Set(await Promise.all(all)), new Set(['ab']));

  works = false;
  for (let i = 0; i < 5; i += 1) await failure(g.store.get(KEY, free));
  await g.clock.advance(longest(1000));
  const before = g.calls.length;
  const failures = await Promise.all(Array.from({ length: 20 }, (_, i) => failure(g.store.get(key(i), free))));
  assert.equal(g.calls.length, before + 1);
  assert.equal(failures.filter((error) => error.retryAfterMs !== undefined).length, 19);
});

test('a call that finds out and hangs ends at its deadline; one whose caller gives up leaves the question to the next', async () => {
  let answer: 'fail' | 'hang' | 'good' = 'fail';
  const g = guard({
    get: async () => {
      if (answer === 'fail') throw down();
      return answer === 'good' ? 'ab' : new Promise<never>(() => {});
    },
  });
  for (let i = 0; i < 5; i += 1) await failure(g.store.get(KEY, free));
  await g.clock.advance(longest(1000));
  answer = 'hang';
  const caller = new AbortController();
  const first = failure(g.store.get(KEY, { signal: caller.signal }));
  const second = failure(g.store.get(OTHER, free));
  await settle();
  assert.equal(g.calls.length, 6);
  caller.abort();
  assert.equal((await first).code, 'ERR_CLOSED');
  await settle();
  assert.equal(g.calls.length, 7);
  await g.clock.advance(1000);
  assert.equal((await second).code, 'ERR_DEADLINE');
  assert.equal(g.store.health.state, 'down');
  await g.clock.advance(longest(2000));
  answer = 'good';
  assert.equal(await g.store.get(KEY, free), 'ab');
  assert.equal(g.store.health.state, 'up');
});

test('calls on one key keep their order while the circuit opens and closes', async () => {
  const g = guard();
  await breakIt(g);
  await g.clock.advance(longest(1000));
  g.memory.failure = undefined;
  const results = await Promise.all([
    g.store.set(KEY, '01', free),
    g.store.get(KEY, free),
    g.store.set(KEY, '02', free),
    g.store.get(KEY, free),
  ]);
  assert.deepEqual(results, [undefined, '01', undefined, '02']);
});

test('a batch whose keys all failed counts as a failure, one with an answer in it as an answer', async () => {
  let good = 0;
  let calls = 0;
  const g = guard({
    async getMany(keys) {
      calls += 1;
      return new Map(keys.map((k, i) => [k, i < good ? 'ab' : down()]));
    },
  });
  const read = () => g.store.getMany([KEY, OTHER], free);
  for (let i = 0; i < 4; i += 1) await read();
  good = 1;
  await read();
  good = 0;
  for (let i = 0; i < 5; i += 1) await read();
  assert.equal(calls, 10);
  const found = await read();
  assert.equal(calls, 10);
  assert.equal((found.get(KEY) as StunmeshError).code, 'ERR_STORE_UNAVAILABLE');
  assert.ok((found.get(OTHER) as StunmeshError).retryAfterMs !== undefined);
});

test('news of a record is a sign of life: the next call is made at once', async () => {
  const g = guard();
  let inner: WatchListener | undefined;
  const on: WatchListener = { change: () => undefined, fault: () => undefined };
  const watching = guardStore({
    name: 'test',
    store: {
      ...g.memory,
      watch: async (_keys, listener) => {
        inner = listener;
        return { [Symbol.asyncDispose]: async () => undefined };
      },
    },
    traits: { maxValueBytes: 100, minPollMs: 500 },
    timeoutMs: 1000,
    clock: g.clock,
    logger: g.logger,
  });
  g.memory.failure = down();
  for (let i = 0; i < 6; i += 1) await failure(watching.get(KEY, free));
  assert.equal(watching.health.state, 'down');
  // A watch that begins now is not stopped: it would be missed when the store is back.
  await watching.watch?.([KEY], on, free);
  g.memory.failure = undefined;
  assert.match((await failure(watching.get(KEY, free))).message, /was not tried/);
  inner?.change(KEY);
  assert.equal(await watching.get(KEY, free), undefined);
  assert.equal(watching.health.state, 'up');
});

test('10,000 calls to a store that is down leave no listener and no timer behind', async () => {
  const g = guard();
  g.memory.failure = down();
  const { signal } = new AbortController();
  const listeners = countListeners(signal);
  for (let round = 0; round < 100; round += 1) {
    await Promise.all(Array.from({ length: 100 }, (_, n) => failure(g.store.get(key(n), { signal }))));
    await g.clock.advance(1000);
  }
  assert.equal(g.store.counters.gets, 10_000);
  assert.deepEqual([listeners(), g.clock.pending], [0, 0]);
  await g.store.close();
});
