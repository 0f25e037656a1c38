/** Everything that an API, or something on the way to it, may answer in place of what is due. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { StunmeshError } from '@stunmesh/core/api';
import { createFakeClock, createMemoryLogger, settle } from '@stunmesh/core/testing';
import { listing, refused, tellsNothing } from './lab/answers.js';
import { type FaultAnswer, TOKEN, ZONE } from './lab/api-server.js';
import { failureOf, free, nameOf, newKey, newValue, open, openStore, startApi } from './lab/open-store.js';

test('a wrong token is denied, says which permissions are needed, and shows no secret', async (t) => {
  const api = await startApi(t);
  const wrong = 'wrong-token-0123456789abcdefghijklmnopqrst';
  const logger = createMemoryLogger();
  const store = await openStore(t, api, { token: wrong, logger });
  const value = newValue();
  for (const error of [await failureOf(store.get(newKey(), free)), await failureOf(store.set(newKey(), value, free))]) {
    assert.equal(error.code, 'ERR_STORE_DENIED');
    assert.match(error.message, /Zone: Read and DNS: Edit/);
    assert.match(error.message, /9109/);
    tellsNothing(error, value);
    assert.ok(!error.message.includes(wrong));
  }
  assert.ok(!logger.text().includes(wrong) && !logger.text().includes(value));
});

test('tokens that the API calls malformed or too weak are denied, whatever the status', async (t) => {
  for (const [status, code] of [
    [400, 6003],
    [400, 6111],
    [401, 1000],
    [403, 10_000],
    [200, 10_000],
  ] as const) {
    const { api, store } = await open(t);
    api.fault = () => refused(status, code, `Bearer ${TOKEN} is wrong`);
    const error = await failureOf(store.get(newKey(), free));
    assert.equal(error.code, 'ERR_STORE_DENIED', `${status} ${code}`);
    tellsNothing(error);
  }
});

test('a zone that the token does not see is named', async (t) => {
  const api = await startApi(t);
  const store = await openStore(t, api, { zone: 'example.net' });
  const error = await failureOf(store.get(newKey(), free));
  assert.equal(error.code, 'ERR_STORE_DENIED');
  assert.match(error.message, /zone example\.net: .*no such zone/);
});

test('F33 F35 what is no answer of the API is a failure, never "no record"', async (t) => {
  const answers: readonly (readonly [string, FaultAnswer, string])[] = [
    ['success false', { status: 200, body: { success: false, errors: [], result: null } }, 'ERR_STORE_INTERNAL'],
    ['a result of null', { status: 200, body: { success: true, errors: [], result: null } }, 'ERR_STORE_INTERNAL'],
    ['no success', { status: 200, body: { result: [] } }, 'ERR_STORE_INTERNAL'],
    ['broken JSON', { status: 200, body: '{"success":true,"result":[' }, 'ERR_STORE_INTERNAL'],
    ['a page of HTML', { status: 200, body: '<html>log in to this hotel</html>' }, 'ERR_STORE_INTERNAL'],
    ['nothing', { status: 200, body: '' }, 'ERR_STORE_INTERNAL'],
    ['a fault of the API', refused(500, 1), 'ERR_STORE_UNAVAILABLE'],
    ['a proxy without a server', { status: 502, body: '<html>bad gateway</html>' }, 'ERR_STORE_UNAVAILABLE'],
    ['gzip that is none', { status: 200, headers: { 'content-encoding': 'gzip' }, body: 'x' }, 'ERR_STORE_INTERNAL'],
    ['another coding', { status: 200, headers: { 'content-encoding': 'br' }, body: 'x' }, 'ERR_STORE_INTERNAL'],
    ['a cut connection', 'reset', 'ERR_STORE_UNAVAILABLE'],
  ];
  for (const [what, answer, code] of answers) {
    const { api, store } = await open(t);
    const [key, value] = [newKey(), newValue()];
    api.add(nameOf(key), value);
    api.fault = (call) => (listing(call) ? answer : undefined);
    for (const error of [
      await failureOf(store.get(key, free)),
      await failureOf(store.getMany?.([key, newKey()], free) ?? Promise.resolve()),
      await failureOf(store.set(key, value, free)),
    ]) {
      assert.equal(error.code, code, `${what}: ${error.message}`);
      tellsNothing(error, value);
    }
    assert.equal(api.count(/POST/), 0, `${what}: nothing is written without a look`);
    assert.equal(api.records.size, 1);
    api.fault = undefined;
    assert.equal(await store.get(key, free), value, `${what}: the next call works`);
  }
});

test('F35 a redirect is not followed: the token stays here', async (t) => {
  let visits = 0;
  const elsewhere = createServer((_, response) => {
    visits += 1;
    response.end();
  });
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
  t.after(() => elsewhere.close());
  const { port } = elsewhere.address() as AddressInfo;
  for (const status of [301, 302, 303, 307, 308]) {
    const { api, store } = await open(t);
    api.fault = () => ({ status, headers: { location: `http://127.0.0.1:${port}/` }, body: '' });
    const error = await failureOf(store.get(newKey(), free));
    assert.equal(error.code, 'ERR_STORE_UNAVAILABLE');
    assert.match(error.message, new RegExp(`redirect \\(${status}\\)`));
  }
  assert.equal(visits, 0);
});

test('F35 a body without end is cut, packed or not', async (t) => {
  const { api, store } = await open(t);
  const body = JSON.stringify({ success: true, result: [], filler: 'x'.repeat(9 * 1024 * 1024) });
  for (const headers of [{}, { 'content-encoding': 'identity' }]) {
    api.fault = (call) => (listing(call) ? { status: 200, headers, body } : undefined);
    const error = await failureOf(store.get(newKey(), free));
    assert.equal(error.code, 'ERR_STORE_INTERNAL');
    assert.match(error.message, /longer than 8388608 bytes/);
  }
});

test('F31 F35 a slow API ends with the caller, or with the limit of a call, and its socket with it', async (t) => {
  const clock = createFakeClock();
  const api = await startApi(t);
  const store = await openStore(t, api, { clock });
  let asked: () => void = () => {};
  api.fault = () => {
    asked();
    return 'hang';
  };
  const nextCall = () =>
    new Promise<void>((resolve) => {
      asked = resolve;
    });

  const controller = new AbortController();
  const first = store.get(newKey(), controller);
  let arrived = nextCall();
  await clock.advance(20);
  await arrived;
  controller.abort(new Error('given up'));
  await assert.rejects(first, /given up/);

  const second = failureOf(store.get(newKey(), free));
  arrived = nextCall();
  await clock.advance(20);
  await arrived;
  await clock.advance(30_000);
  const error = await second;
  assert.equal(error.code, 'ERR_STORE_UNAVAILABLE');
  assert.match(error.message, /no answer within 30000 ms/);
  while (api.openSockets > 0) await settle();
  assert.equal(clock.pending, 0, 'no timer is left');
});

test('F33 F35 429 with Retry-After: the error says when, and nothing is asked before', async (t) => {
  const clock = createFakeClock();
  const api = await startApi(t);
  const store = await openStore(t, api, { clock });
  const failure = async (): Promise<StunmeshError> => {
    const failed = failureOf(store.get(newKey(), free));
    let over = false;
    void failed.then(() => {
      over = true;
    });
    while (!over) await clock.advance(1);
    return failed;
  };
  for (const [headers, expected] of [
    [{ 'retry-after': '7' }, 7_000],
    [{ 'retry-after': new Date(clock.wallNow() + 40_000).toUTCString() }, undefined],
    [{}, 60_000],
    [{ 'retry-after': '999999' }, 300_000],
    [{ 'retry-after': 'soon' }, 60_000],
  ] as const) {
    api.fault = () => refused(429, 10_429, 'slow down', headers);
    const error = await failure();
    assert.equal(error.code, 'ERR_STORE_UNAVAILABLE');
    const { retryAfterMs = 0 } = error;
    if (expected !== undefined) assert.equal(retryAfterMs, expected);
    assert.ok(retryAfterMs > 0 && retryAfterMs <= 300_000);
    const before = api.calls.length;
    const early = await failure();
    assert.equal(early.code, 'ERR_STORE_UNAVAILABLE');
    assert.ok((early.retryAfterMs ?? 0) > retryAfterMs - 1000 && (early.retryAfterMs ?? 0) <= retryAfterMs);
    assert.equal(api.calls.length, before, 'nothing is asked during the pause');
    await clock.advance(retryAfterMs);
  }
});

test('F35 503 with Retry-After is respected too, 503 without is tried again at once', async (t) => {
  const { api, store } = await open(t);
  const key = newKey();
  api.fault = () => refused(503, 0);
  assert.equal((await failureOf(store.get(key, free))).retryAfterMs, undefined);
  api.fault = undefined;
  assert.equal(await store.get(key, free), undefined);
  api.fault = () => refused(503, 0, '', { 'retry-after': '30' });
  assert.equal((await failureOf(store.get(key, free))).retryAfterMs, 30_000);
});

test('F32 a back end that is down at start is retried: the first call that can works', async (t) => {
  const { api, store } = await open(t);
  const [key, value] = [newKey(), newValue()];
  api.fault = () => 'reset';
  for (let round = 0; round < 3; round += 1) {
    const error = await failureOf(store.set(key, value, free));
    assert.equal(error.code, 'ERR_STORE_UNAVAILABLE');
    assert.match(
      error.message,
      new RegExp(`zone ${ZONE.replace('.', '\\.')}: 127\\.0\\.0\\.1:\\d+ cannot be reached \\(ECONNRESET\\)`),
    );
  }
  api.fault = undefined;
  await store.set(key, value, free);
  assert.equal(await store.get(key, free), value);
});

test('closing ends what is under way, and leaves no socket behind', async (t) => {
  const { api, store } = await open(t);
  await store.get(newKey(), free);
  api.fault = () => 'hang';
  const calls = [failureOf(store.get(newKey(), free)), failureOf(store.set(newKey(), newValue(), free))];
  while (api.count(/GET/) < 3) await settle();
  await store[Symbol.asyncDispose]();
  for (const error of await Promise.all(calls)) assert.equal(error.code, 'ERR_CLOSED');
  while (api.openSockets > 0) await settle();
});
