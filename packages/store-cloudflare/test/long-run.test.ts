/** A daemon's life with the store: back ends that stay away, and thousands of calls that leave nothing behind. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { createFakeClock, settle } from '@stunmesh/core/testing';
import { refused } from './lab/answers.js';
import { failureOf, free, newKey, newValue, openStore, startApi } from './lab/open-store.js';

test('a back end that is down for an hour is asked little, and works at once when it is back', async (t) => {
  const clock = createFakeClock();
  const api = await startApi(t);
  const store = await openStore(t, api, { clock });
  const [key, value] = [newKey(), newValue()];
  const finish = async <T>(promise: Promise<T>): Promise<T> => {
    let over = false;
    const done = promise.finally(() => {
      over = true;
    });
    done.catch(() => undefined);
    while (!over) await clock.advance(10);
    return done;
  };
  api.fault = () => refused(429, 10_429, 'slow down', { 'retry-after': '240' });
  const until = clock.now() + 60 * 60_000;
  let failures = 0;
  while (clock.now() < until) {
    const error = await failureOf(finish(store.get(key, free)));
    assert.equal(error.code, 'ERR_STORE_UNAVAILABLE');
    failures += 1;
    await clock.advance(5_000);
  }
  assert.ok(failures > 600, `${failures} reads`);
  assert.ok(api.calls.length <= 16, `${api.calls.length} calls in an hour of which each asked for four minutes`);
  api.fault = undefined;
  await clock.advance(240_000);
  await finish(store.set(key, value, free));
  assert.equal(await finish(store.get(key, free)), value);
  assert.equal(clock.pending, 0, 'no timer is left');
});

test('10,000 calls leave no descriptor, socket, listener or timer behind', async (t) => {
  const clock = createFakeClock();
  const api = await startApi(t);
  const store = await openStore(t, api, { clock });
  const warnings: string[] = [];
  const onWarning = (warning: Error) => warnings.push(warning.message);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  const descriptors = async () => (await readdir('/proc/self/fd').catch(() => [])).length;
  const keys = Array.from({ length: 100 }, newKey);
  const round = async (): Promise<void> => {
    const calls = keys.map((key, index): Promise<unknown> => {
      const own = { signal: new AbortController().signal };
      return index % 2 === 0 ? store.get(key, own) : store.set(key, newValue(40), own);
    });
    let over = false;
    const done = Promise.all(calls).finally(() => {
      over = true;
    });
    while (!over) await clock.advance(20);
    await done;
  };
  await round();
  const before = await descriptors();
  for (let count = 1; count < 100; count += 1) {
    await round();
    await clock.advance(2_000);
  }
  assert.equal(api.records.size, 50);
  assert.ok((await descriptors()) <= before + 4, `${before} descriptors became ${await descriptors()}`);
  assert.ok(api.openSockets <= 4, `${api.openSockets} sockets`);
  assert.equal(clock.pending, 0);
  await store[Symbol.asyncDispose]();
  while (api.openSockets > 0) await settle();
  assert.deepEqual(warnings, []);
});
