/** Writes that the API refuses, loses or does in part: every record is written or has its error, and none twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StunmeshError } from '@stunmesh/core/api';
import { batching, listing, refused, tellsNothing } from './lab/answers.js';
import { failureOf, free, nameOf, newKey, newValue, open, openStore } from './lab/open-store.js';

test('a call that fails is made once: nothing in between repeats it', async (t) => {
  for (const status of [408, 409, 429, 500, 503]) {
    const { api, store } = await open(t);
    await store.get(newKey(), free);
    api.fault = (call) => (batching(call) ? refused(status, 1) : undefined);
    await failureOf(store.set(newKey(), newValue(), free));
    assert.equal(api.count(/POST/), 1, String(status));
    api.fault = (call) => (listing(call) ? refused(status, 1) : undefined);
    const before = api.count(/GET/);
    await failureOf(store.get(newKey(), free));
    assert.equal(api.count(/GET/) - before, status === 429 ? 0 : 1, String(status));
  }
});

test('a batch whose answer was lost makes no second record when it is tried again', async (t) => {
  const { api, store } = await open(t);
  const [key, value, second] = [newKey(), newValue(), newValue()];
  for (const lost of ['reset', refused(500, 1), { status: 200, body: '{' }, refused(200, 1)] as const) {
    api.records.clear();
    let failing = true;
    api.lateFault = (call) => (batching(call) && failing ? lost : undefined);
    if (typeof lost === 'object' && lost.status === 200 && lost.body !== '{') {
      // Refused with status 200: looked at, and sent again as a change of what is there now.
      await failureOf(store.set(key, value, free));
    } else {
      assert.equal((await failureOf(store.set(key, value, free))).retry, 'later');
    }
    assert.equal(api.records.size, 1, 'the change was made all the same');
    failing = false;
    await store.set(key, second, free);
    assert.deepEqual(
      [...api.records.values()].map(({ content }) => content),
      [second],
    );
  }
});

test('a record that somebody removes between look and write is made again', async (t) => {
  const { api, store } = await open(t);
  const [gone, stays] = [newKey(), newKey()];
  const wanted = new Map([
    [gone, newValue()],
    [stays, newValue()],
  ]);
  for (const key of wanted.keys()) api.add(nameOf(key), newValue());
  let first = true;
  api.fault = (call) => {
    if (batching(call) && first) {
      first = false;
      for (const { id, name } of [...api.records.values()]) if (name === nameOf(gone)) api.records.delete(id);
    }
    return undefined;
  };
  assert.deepEqual(await store.setMany?.(wanted, free), new Map());
  assert.deepEqual(await store.getMany?.([...wanted.keys()], free), wanted);
});

test('F13 one record that the API refuses does not keep 300 others out', async (t) => {
  const { api, store } = await open(t);
  const wanted = new Map(Array.from({ length: 300 }, () => [newKey(), newValue()]));
  const bad = [...wanted.keys()][123] ?? '';
  api.fault = (call) => {
    const { posts = [] } = (batching(call) ? call.body : {}) as {
      posts?: readonly { name: string; content: string }[];
    };
    const found = posts.find(({ name }) => name === nameOf(bad));
    return found && refused(400, 1004, `DNS Validation Error: ${found.content} is no content`);
  };
  const failures = await store.setMany?.(wanted, free);
  assert.deepEqual([...(failures?.keys() ?? [])], [bad]);
  const error = failures?.get(bad);
  assert.equal(error?.code, 'ERR_STORE_INTERNAL');
  tellsNothing(error ?? assert.fail(), wanted.get(bad));
  assert.equal(api.records.size, 299);
  assert.ok(api.count(/POST/) <= 22, `${api.count(/POST/)} requests`);
});

test('a full zone: present records are still changed, as many new ones as fit are made, the rest is told why', async (t) => {
  const { api, store } = await open(t);
  const present = Array.from({ length: 20 }, newKey);
  for (const key of present) api.add(nameOf(key), newValue());
  api.quota = 27;
  const fresh = Array.from({ length: 60 }, newKey);
  const wanted = new Map([...fresh, ...present].map((key) => [key, newValue()]));
  const failures = (await store.setMany?.(wanted, free)) ?? new Map();
  for (const key of present) assert.ok(!failures.has(key));
  assert.equal(api.records.size, 27);
  assert.equal(failures.size, 53);
  const error: StunmeshError = [...failures.values()][0] ?? assert.fail();
  assert.equal(error.code, 'ERR_STORE_UNAVAILABLE');
  assert.match(error.message, /as many records as its plan allows/);
  assert.ok(api.count(/POST/) <= 22, `${api.count(/POST/)} requests`);
});

test('a zone that was removed and added again is looked up again', async (t) => {
  const { api, store } = await open(t);
  await store.get(newKey(), free);
  let gone = true;
  api.fault = (call) => (listing(call) && gone ? refused(404, 7003, 'Could not route') : undefined);
  await failureOf(store.get(newKey(), free));
  gone = false;
  await store.get(newKey(), free);
  assert.equal(api.count(/^GET \/zones$/), 2);
});

test('two writers of one key: the later one counts, and one record stays', async (t) => {
  const { api, store } = await open(t);
  const second = await openStore(t, api);
  const key = newKey();
  let last = '';
  for (let round = 0; round < 3; round += 1) {
    for (const writer of [store, second]) {
      last = newValue();
      await writer.set(key, last, free);
    }
  }
  assert.equal(await store.get(key, free), last);
  assert.equal(api.records.size, 1);
  // At the very same time both look before either writes: two records, which the next write makes one.
  await Promise.all([store.set(newKey(), newValue(), free), second.set(newKey(), newValue(), free)]);
  const other = newKey();
  await Promise.all([store.set(other, newValue(), free), second.set(other, newValue(), free)]);
  last = newValue();
  await store.set(other, last, free);
  assert.deepEqual(
    [...api.records.values()].filter(({ name }) => name === nameOf(other)).map(({ content }) => content),
    [last],
  );
});
