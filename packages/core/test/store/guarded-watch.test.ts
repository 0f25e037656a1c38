/** Watches and traits of a guarded store: what it says by itself, and what only the back end knows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StunmeshError, WatchListener } from '#src/api/index.js';
import { settle } from '#src/testing/fake-clock.js';
import { failure, free, guard, hang, KEY, OTHER } from './guard.js';

test('watch passes on news of its keys, guards the store from its listener, and falls silent when disposed', async () => {
  const inner: { on?: WatchListener; disposed: number } = { disposed: 0 };
  const { store, logger } = guard({
    async watch(_keys, on) {
      inner.on = on;
      return {
        async [Symbol.asyncDispose]() {
          inner.disposed += 1;
        },
      };
    },
  });
  const heard: unknown[] = [];
  const watch = await store.watch?.(
    [KEY],
    {
      change(k, value) {
        heard.push([k, value]);
        if (value === 'ff') throw new Error('listener is broken');
      },
      fault: (error) => heard.push(error.code),
    },
    free,
  );
  inner.on?.change(KEY);
  inner.on?.change(OTHER, 'ab');
  inner.on?.change(KEY, 'ab');
  inner.on?.change(KEY, 'a'.repeat(101));
  inner.on?.change(KEY, 'ff');
  inner.on?.fault(new Error('foreign') as StunmeshError);
  const expected = [[KEY, undefined], [KEY, 'ab'], [KEY, undefined], [KEY, 'ff'], 'ERR_STORE_INTERNAL'];
  assert.deepEqual(heard, expected);
  assert.match(logger.text(), /listener/);
  await watch?.[Symbol.asyncDispose]();
  await watch?.[Symbol.asyncDispose]();
  inner.on?.change(KEY);
  assert.deepEqual(heard, expected);
  assert.equal(inner.disposed, 1);
  assert.equal(guard({ watch: undefined as never }).store.watch, undefined);
});

test('a watch that comes up after its deadline is disposed, and close disposes those that are open', async () => {
  let finish: () => void = () => {};
  let disposed = 0;
  const opened = {
    async [Symbol.asyncDispose]() {
      disposed += 1;
    },
  };
  const slow = guard({
    watch: () =>
      new Promise((resolve) => {
        finish = () => resolve(opened);
      }),
  });
  const on: WatchListener = { change() {}, fault() {} };
  const watching = failure(slow.store.watch?.([KEY], on, free) ?? Promise.resolve());
  await slow.clock.advance(1000);
  assert.equal((await watching).code, 'ERR_DEADLINE');
  finish();
  await settle();
  assert.equal(disposed, 1);

  const { store } = guard({ watch: async () => opened });
  await store.watch?.([KEY], on, free);
  await store.close();
  assert.equal(disposed, 2);
});

test('describe refines the traits', async () => {
  const { store } = guard({ describe: async () => ({ maxValueBytes: 255, expiresAfterMs: 600_000 }) });
  await store.describe?.(free);
  assert.deepEqual(store.traits, { maxValueBytes: 255, minPollMs: 500, expiresAfterMs: 600_000 });
});

test('F32 the traits that only the backend knows are asked for beside the first call, once, and again a minute after a failure', async () => {
  let asked = 0;
  let works = false;
  const { store, clock } = guard({
    describe: async ({ signal }) => {
      asked += 1;
      if (asked === 2) return hang(signal);
      if (!works) throw new Error('not now');
      return { minPollMs: 5000 };
    },
  });
  assert.equal(asked, 0);
  await Promise.all([store.get(KEY, free), store.get(OTHER, free)]);
  await settle();
  await store.get(KEY, free);
  assert.equal(asked, 1);
  assert.equal(store.counters.failures, 0);
  await clock.advance(60_000);
  await store.get(KEY, free);
  await clock.advance(1000);
  assert.deepEqual([asked, store.traits.minPollMs], [2, 500]);
  works = true;
  await clock.advance(60_000);
  await store.set(KEY, 'ab', free);
  await settle();
  assert.deepEqual([asked, store.traits.minPollMs], [3, 5000]);
  await clock.advance(600_000);
  await store.get(KEY, free);
  assert.deepEqual([asked, clock.pending], [3, 0]);

  const hung = guard({ describe: ({ signal }) => hang(signal) });
  await hung.store.get(KEY, free);
  await hung.store.close();
  await settle();
  assert.equal(hung.clock.pending, 0);
  await failure(hung.store.get(KEY, free));
});
