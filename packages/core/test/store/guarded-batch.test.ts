/** Many keys at once: places, batches, keys that fail beside others that do not, and nothing left behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, StunmeshError } from '#src/api/index.js';
import { type FakeClock, settle } from '#src/testing/fake-clock.js';
import { countListeners } from '#src/testing/listener-count.js';
import { failure, free, guard, hang, KEY, key, OTHER } from './guard.js';

test('F14 at most eight calls run at once and none of a thousand is dropped', async () => {
  let running = 0;
  let most = 0;
  const clockOf: { clock?: FakeClock } = {};
  const { store, clock } = guard({
    async get(k) {
      running += 1;
      most = Math.max(most, running);
      await clockOf.clock?.sleep(1);
      running -= 1;
      return k.slice(-4);
    },
  });
  clockOf.clock = clock;
  const keys = Array.from({ length: 1000 }, (_, i) => key(i));
  const all = store.getMany(keys, free);
  await clock.advance(200);
  const found = await all;
  assert.equal(found.size, 1000);
  assert.equal(found.get(key(999)), key(999).slice(-4));
  assert.equal(most, 8);
  assert.equal(store.counters.gets, 1000);
});

test('F14 hanging calls give their places back at the deadline', async () => {
  const { store, clock } = guard({ get: (k) => (k === KEY ? Promise.resolve('ab') : hang()) });
  const hanging = Array.from({ length: 20 }, (_, i) => failure(store.get(key(i), free)));
  const good = store.get(KEY, free);
  await clock.advance(3000);
  assert.equal(await good, 'ab');
  for (const error of await Promise.all(hanging)) assert.equal(error.code, 'ERR_DEADLINE');
});

test('F13 a key that fails does not touch another, one by one and in batches', async () => {
  const broken = async (k: string) => {
    if (k === KEY) throw new Error('broken');
    return 'ab';
  };
  const single = guard({ get: broken, set: async (k) => void (await broken(k)) }).store;
  const batched = guard({
    getMany: async (keys) =>
      new Map(keys.map((k) => [k, k === KEY ? new StunmeshError('ERR_STORE_DENIED', 'no') : 'ab'])),
    setMany: async (records) =>
      new Map(
        [...records.keys()].filter((k) => k === KEY).map((k) => [k, new StunmeshError('ERR_STORE_DENIED', 'no')]),
      ),
  }).store;
  for (const store of [single, batched]) {
    const found = await store.getMany([KEY, OTHER], free);
    assert.ok(found.get(KEY) instanceof StunmeshError);
    assert.equal(found.get(OTHER), 'ab');
    const failures = await store.setMany(
      new Map([
        [KEY, 'ab'],
        [OTHER, 'cd'],
      ]),
      free,
    );
    assert.deepEqual([...failures.keys()], [KEY]);
    assert.match(failures.get(KEY)?.message ?? '', /store "test": set a{40}/);
    assert.deepEqual([store.counters.gets, store.counters.sets, store.counters.failures], [2, 2, 2]);
  }
});

test('F13 a batch that fails as a whole gives each of its keys the error; one odd answer spoils only its own key', async () => {
  const { store } = guard({
    getMany: async (keys) => new Map(keys.map((k) => [k, k === KEY ? (7 as unknown as string) : 'ab'])),
    setMany: async () => {
      throw new Error('everything is broken');
    },
  });
  const found = await store.getMany([KEY, OTHER], free);
  assert.ok(hasCode(found.get(KEY), 'ERR_STORE_INTERNAL'));
  assert.equal(found.get(OTHER), 'ab');
  const failures = await store.setMany(
    new Map([
      [KEY, 'ab'],
      [OTHER, 'ab'],
    ]),
    free,
  );
  assert.deepEqual([...failures.keys()], [KEY, OTHER]);
  const odd = guard({ getMany: async () => undefined as unknown as Map<string, string> }).store;
  assert.ok(hasCode((await odd.getMany([KEY], free)).get(KEY), 'ERR_STORE_INTERNAL'));
});

test('a batch that answers after its deadline changes neither what was returned nor the counters', async () => {
  let answer: (found: Map<string, string>) => void = () => {};
  const { store, clock } = guard({
    getMany: () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
  });
  const reading = store.getMany([KEY, OTHER], free);
  await clock.advance(1000);
  const found = await reading;
  assert.ok(hasCode(found.get(KEY), 'ERR_DEADLINE') && hasCode(found.get(OTHER), 'ERR_DEADLINE'));
  const counters = store.counters;
  answer(new Map([[KEY, 'x'.repeat(1000)]]));
  await settle();
  assert.ok(hasCode(found.get(KEY), 'ERR_DEADLINE'));
  assert.deepEqual(store.counters, counters);
});

test('a batch takes its place among calls on its keys', async () => {
  const log: string[] = [];
  let open: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const { store } = guard({
    async set(_key, value) {
      await gate;
      log.push(value);
    },
    async getMany() {
      log.push('batch');
      return new Map();
    },
  });
  const calls = [store.set(KEY, '01', free), store.getMany([OTHER, KEY], free), store.set(OTHER, '02', free)];
  await settle();
  assert.deepEqual(log, []);
  open();
  await Promise.all(calls);
  assert.deepEqual(log, ['01', 'batch', '02']);
});

test('thousands of calls with one long-lived signal leave no listener and no timer behind', async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  const { store, clock } = guard();
  const { signal } = new AbortController();
  const listeners = countListeners(signal);
  for (let round = 0; round < 5; round += 1) {
    await store.setMany(new Map(Array.from({ length: 300 }, (_, i) => [key(i), 'ab'])), { signal });
    await store.getMany(
      Array.from({ length: 300 }, (_, i) => key(i)),
      { signal },
    );
  }
  await settle();
  process.off('warning', onWarning);
  assert.equal(listeners(), 0);
  assert.equal(clock.pending, 0);
  assert.deepEqual(warnings, []);
});
