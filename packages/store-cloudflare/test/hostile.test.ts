/** F76: whatever stands in for the API, it costs a call: neither memory nor time of the daemon. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createSystemClock } from '@stunmesh/core/testing';
import { createTransport } from '#src/transport.js';
import { listing } from './lab/answers.js';
import { failureOf, free, nameOf, newKey, newValue, open } from './lab/open-store.js';

const clock = createSystemClock();
const MIB = 1024 * 1024;

/** A server that answers every request with these bytes. */
async function answering(t: TestContext, ...pieces: readonly Buffer[]): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => {
      for (const piece of pieces) socket.write(piece);
    });
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address);
  return `http://127.0.0.1:${address.port}/`;
}

test('F76 a body in pieces of one byte takes the memory of its bytes', { timeout: 120_000 }, async (t) => {
  const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';
  const url = await answering(
    t,
    Buffer.from(head),
    Buffer.from('1\r\n \r\n'.repeat(2 * MIB)),
    Buffer.from('0\r\n\r\n'),
  );
  using transport = createTransport({ clock });
  let most = 0;
  const before = process.memoryUsage().rss;
  const answer = transport.fetch(url, { headers: new Headers() }).catch((error: unknown) => error);
  let over = false;
  void answer.then(() => {
    over = true;
  });
  while (!over) {
    most = Math.max(most, process.memoryUsage().rss - before);
    await clock.sleep(5);
  }
  assert.ok((await answer) instanceof Error);
  assert.ok(most < 90 * MIB, `${(most / MIB).toFixed(0)} MiB more for a body of 2 MiB`);
});

test('F76 errors in errors in errors are followed a few steps', async (t) => {
  const { api, store } = await open(t);
  const depth = 30_000;
  const body = `{"success":false,"errors":${'[{"code":1,"message":"x","error_chain":'.repeat(depth)}[]${'}]'.repeat(depth)}}`;
  api.fault = (call) => (listing(call) ? { status: 400, body } : undefined);
  const error = await failureOf(store.get(newKey(), free));
  assert.ok(error.message.length < 1_000, error.message.slice(0, 200));
  assert.doesNotMatch(error.message, /the SDK failed/);
});

test('F13 and F76 a record of quotes without end is no work, and harms no other', async (t) => {
  const { api, store } = await open(t);
  const [key, other, value] = [newKey(), newKey(), newValue()];
  api.add(nameOf(key), '"\\'.repeat(400_000));
  api.add(nameOf(other), value);
  const began = clock.now();
  const found = await store.getMany?.([key, other], free);
  const ms = clock.now() - began;
  assert.equal(found?.get(other), value);
  assert.ok(ms < 2_000, `${Math.round(ms)} ms`);
});

test('F76 a listing without end is refused, and says what to do', async (t) => {
  const { api, store } = await open(t);
  const page = Array.from({ length: 7 }, (_, index) => ({
    id: String(index),
    type: 'TXT',
    name: nameOf(newKey()),
    content: 'ab'.repeat(512 * 1024),
  }));
  api.fault = (call) =>
    listing(call)
      ? { status: 200, body: { success: true, result: page, result_info: { total_pages: 1_000_000 } } }
      : undefined;
  const error = await failureOf(store.getMany?.([newKey(), newKey()], free) ?? Promise.resolve());
  assert.equal(error.code, 'ERR_STORE_TOO_LARGE');
  assert.match(error.message, /use a subdomain of its own/);
  assert.ok(api.calls.length < 10, `${api.calls.length} calls`);
});
