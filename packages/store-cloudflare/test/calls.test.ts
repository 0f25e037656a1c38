/** How many calls reading and writing cost: by the beat, never by the peer (F36). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Store } from '@stunmesh/core/api';
import { createFakeClock, settle } from '@stunmesh/core/testing';
import { free, nameOf, newKey, newValue, open, openStore, startApi } from './lab/open-store.js';

/** A signal for each call, as the host makes them. */
const own = () => ({ signal: new AbortController().signal });
const keysFor = (count: number): string[] => Array.from({ length: count }, newKey);
const valuesFor = (keys: readonly string[]): Map<string, string> => new Map(keys.map((key) => [key, newValue()]));

async function measure(store: Store, calls: () => number, run: (store: Store) => Promise<unknown>) {
  const before = calls();
  const began = performance.now();
  await run(store);
  return { calls: calls() - before, ms: Math.round(performance.now() - began) };
}

test('F36 1,000 names: one listing reads them, one listing and five batches change them', async (t) => {
  const { api, store } = await open(t);
  const keys = keysFor(1000);
  const total = () => api.calls.length;
  await store.get(newKey(), free);
  const made = await measure(store, total, async () => store.setMany?.(valuesFor(keys), free));
  assert.equal(api.records.size, 1000);
  const wanted = valuesFor(keys);
  const changed = await measure(store, total, async () => store.setMany?.(wanted, free));
  const read = await measure(store, total, async () =>
    assert.deepEqual(new Map(await store.getMany?.(keys, free)), wanted),
  );
  t.diagnostic(
    `1,000 names: made ${made.calls} calls, ${made.ms} ms; changed ${changed.calls} calls, ${changed.ms} ms`,
  );
  t.diagnostic(`1,000 names: read ${read.calls} calls, ${read.ms} ms`);
  assert.equal(made.calls, 6);
  assert.equal(changed.calls, 6);
  assert.equal(read.calls, 1);
});

test('F36 an API that gives 100 records a page is read page by page, and not one page too many', async (t) => {
  const { api, store } = await open(t);
  api.mostPerPage = 100;
  const keys = keysFor(400);
  for (const key of keys) api.add(nameOf(key), newValue());
  await store.get(newKey(), free);
  const before = api.calls.length;
  assert.equal((await store.getMany?.(keys, free))?.size, 400);
  assert.equal(api.calls.length - before, 4);
});

test('F36 sets that come one by one within 100 ms are one batch, gets one listing', async (t) => {
  const { api, store } = await open(t);
  const wanted = valuesFor(keysFor(50));
  await Promise.all([...wanted].map(([key, value]) => store.set(key, value, own())));
  assert.equal(api.count(/POST/), 1);
  assert.equal(api.count(/GET/), 2, 'the zone, and the records');
  const read = await Promise.all([...wanted.keys()].map((key) => store.get(key, own())));
  assert.deepEqual(read, [...wanted.values()]);
  assert.equal(api.count(/GET/), 3);
});

test('F36 reads that follow each other through a narrow gate share a listing', async (t) => {
  const { api, store } = await open(t);
  const keys = keysFor(200);
  for (const key of keys) api.add(nameOf(key), newValue());
  const rest = keys[Symbol.iterator]();
  // The host lets eight calls through at once.
  const gate = Array.from({ length: 8 }, async () => {
    for (const key of rest) assert.ok(await store.get(key, free));
  });
  await Promise.all(gate);
  assert.ok(api.count(/dns_records$/) <= 3, `${api.count(/dns_records$/)} listings`);
});

test('a listing is not served after a write, nor when it is a second old', async (t) => {
  const clock = createFakeClock();
  const api = await startApi(t);
  const store = await openStore(t, api, { clock });
  const [a, b] = [newKey(), newKey()];
  const [first, second, third] = [newValue(), newValue(), newValue()];
  const record = api.add(nameOf(a), first);
  /** Moves time on in small steps until the call is over: the answers of the server come in real time. */
  const finish = async <T>(promise: Promise<T>): Promise<T> => {
    let over = false;
    const done = promise.finally(() => {
      over = true;
    });
    while (!over) await Promise.race([done, clock.advance(1).then(() => settle(50))]);
    return done;
  };
  const read = async () => (await finish(store.getMany?.([a, b], free) ?? Promise.reject())).get(a);
  assert.equal(await read(), first);
  api.records.set(record.id, { ...record, content: second });
  assert.equal(await read(), first, 'the listing is fresh');
  await clock.advance(1000);
  assert.equal(await read(), second);
  await finish(store.set(b, third, free));
  api.records.set(record.id, { ...record, content: third });
  assert.equal(await read(), third);
});

test('one key alone is asked for by its name: nobody lists a large zone for it', async (t) => {
  const { api, store } = await open(t);
  const key = newKey();
  await store.get(key, free);
  await store.set(key, newValue(), free);
  const lists = api.calls.filter(({ method, path }) => method === 'GET' && path.endsWith('/dns_records'));
  assert.deepEqual(
    lists.map(({ query }) => query.get('name.exact')),
    [nameOf(key), nameOf(key)],
  );
});

test('F36 peers that are waited for, each at moments of its own, cost a call a second at most', async (t) => {
  const clock = createFakeClock();
  const api = await startApi(t);
  const store = await openStore(t, api, { clock });
  const keys = keysFor(20);
  for (const key of keys) api.add(nameOf(key), newValue());
  const until = clock.now() + 60_000;
  const wait = async (key: string, index: number): Promise<void> => {
    await clock.sleep(index * 150);
    while (clock.now() < until) {
      assert.ok(await store.get(key, own()));
      await clock.sleep(3_000);
    }
  };
  let over = false;
  const waiting = Promise.all(keys.map(wait)).finally(() => {
    over = true;
  });
  while (!over) await clock.advance(10);
  await waiting;
  const calls = api.count(/dns_records$/);
  t.diagnostic(`20 keys, each every 3 s for a minute: ${calls} calls`);
  assert.ok(calls <= 62, `${calls} calls`);
});

test('the zone is looked up once', async (t) => {
  const { api, store } = await open(t);
  for (let round = 0; round < 3; round += 1) {
    await store.set(newKey(), newValue(), free);
    await store.get(newKey(), free);
  }
  assert.equal(api.count(/^GET \/zones$/), 1);
});

test('of two values that are set for one key at once the later one stays', async (t) => {
  const { api, store } = await open(t);
  const [key, early, late] = [newKey(), newValue(), newValue()];
  await Promise.all([store.set(key, early, free), store.set(key, late, free)]);
  assert.deepEqual(
    [...api.records.values()].map(({ content }) => content),
    [late],
  );
});

test('a set that is given up before its batch begins takes no other along', async (t) => {
  const { api, store } = await open(t);
  const [key, value] = [newKey(), newValue()];
  const controller = new AbortController();
  const given = store.set(key, newValue(), controller);
  const kept = store.set(newKey(), value, free);
  controller.abort(new Error('given up'));
  await assert.rejects(given, /given up/);
  await kept;
  assert.deepEqual(
    [...api.records.values()].map(({ content }) => content),
    [value],
  );
});
