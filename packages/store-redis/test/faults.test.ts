import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { isStunmeshError, type StunmeshError } from '@stunmesh/core/api';
import { closeAtEnd } from './lab/at-end.js';
import { freePort, startServer } from './lab/redis-server.js';
import { clock, failing, free, openStore, randomKey, until } from './lab/store.js';

/** A way to the server that can die: what is on it then gets no answer any more, also not that it is over. */
async function openPath(t: TestContext, port: number) {
  let held: Socket[] = [];
  const proxy = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) socket.on('error', () => {});
    held.push(near, far);
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const all = held;
  closeAtEnd(t, {
    async [Symbol.asyncDispose]() {
      for (const socket of [...all, ...held]) socket.destroy();
      proxy.close();
    },
  });
  const address = proxy.address();
  assert.ok(typeof address === 'object' && address);
  return {
    port: address.port,
    die() {
      for (const socket of held) socket.unpipe().pause();
      all.push(...held);
      held = [];
    },
  };
}

test('F32 down at start: each call fails at once with "later", said once; it works as soon as the server is there', async (t) => {
  const server = await startServer(t);
  if (!server) return;
  await server.kill();
  const { store, logger } = await openStore(t, { url: server.url });
  for (let round = 0; round < 3; round += 1) {
    await assert.rejects(
      store.get(randomKey(), free),
      failing('ERR_STORE_UNAVAILABLE', `127.0.0.1:${server.port}`, 'ECONNREFUSED'),
    );
  }
  const error = (await store.set(randomKey(), 'ab', free).catch((e: unknown) => e)) as StunmeshError;
  assert.equal(error.retry, 'later');
  assert.ok(error.retryAfterMs !== undefined && error.retryAfterMs <= 10_000);
  assert.equal(logger.lines.length, 1, logger.text());
  await server.start();
  const key = randomKey();
  await until(() =>
    store.set(key, 'abcd', free).then(
      () => true,
      () => false,
    ),
  );
  assert.equal(await store.get(key, free), 'abcd');
  assert.deepEqual(
    logger.lines.map(({ level }) => level),
    ['warn', 'info'],
    logger.text(),
  );
});

test('killed in the middle of a hundred calls and started again: each is answered or fails with "later"; watching comes back', async (t) => {
  const server = await startServer(t);
  if (!server) return;
  const { store, logger } = await openStore(t, { url: server.url });
  const writer = await openStore(t, { url: server.url });
  const key = randomKey();
  const heard: (string | undefined)[] = [];
  const faults: StunmeshError[] = [];
  const on = { change: (_: string, value?: string) => heard.push(value), fault: (e: StunmeshError) => faults.push(e) };
  await store.watch?.([key], on, free);
  await store.set(key, 'aaaa', free);
  await until(() => heard.length === 1);

  const keys = Array.from({ length: 100 }, randomKey);
  const calls = keys.map((name) => store.set(name, 'abcd', { signal: new AbortController().signal }));
  await server.kill();
  const settled = await Promise.allSettled(calls);
  for (const call of settled) {
    if (call.status === 'rejected') failing('ERR_STORE_UNAVAILABLE')(call.reason as StunmeshError);
  }
  await until(() => faults.length > 0);
  await server.start();
  // What was missed meanwhile is looked up: the watcher is told of its key, without a value.
  await until(() => heard.length === 2);
  assert.equal(heard[1], undefined);
  await until(() =>
    writer.store.set(key, 'bbbb', free).then(
      () => true,
      () => false,
    ),
  );
  await until(() => heard.includes('bbbb'));
  await until(() =>
    store.get(key, free).then(
      (value) => value === 'bbbb',
      () => false,
    ),
  );
  assert.equal(faults.length, 1, 'one fault an outage');
  await until(() => logger.lines.length === 2);
  assert.deepEqual(
    logger.lines.map(({ level }) => level),
    ['warn', 'info'],
    logger.text(),
  );
});

test('a connection that the server ends while idle is not noticed by callers', async (t) => {
  const server = await startServer(t);
  if (!server) return;
  const { store } = await openStore(t, { url: server.url });
  const key = randomKey();
  await store.set(key, 'abcd', free);
  for (let round = 0; round < 5; round += 1) {
    await server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    assert.equal(await store.get(key, free), 'abcd');
  }
});

test('F31 a server that stands still: calls end with their signal; it goes on when the server does', async (t) => {
  const server = await startServer(t);
  if (!server) return;
  const { store, logger } = await openStore(t, { url: server.url });
  const key = randomKey();
  await store.set(key, 'abcd', free);
  server.signal('SIGSTOP');
  using limit = clock.deadline(50);
  const reason = await store.get(key, limit).catch((e: unknown) => e);
  assert.ok(isStunmeshError(reason) && reason.code === 'ERR_DEADLINE', String(reason));
  await until(() => logger.lines.length === 1);
  const late = store.get(key, free);
  server.signal('SIGCONT');
  assert.equal(await late, 'abcd', 'who waits for the new connection gets it');
});

test('a path that dies without a word: the call goes on by a new connection, and so do the news', async (t) => {
  const server = await startServer(t);
  if (!server) return;
  const path = await openPath(t, server.port);
  const { store, logger } = await openStore(t, { url: `redis://127.0.0.1:${path.port}` });
  const writer = await openStore(t, { url: server.url });
  const key = randomKey();
  const heard: (string | undefined)[] = [];
  await store.watch?.([key], { change: (_, value) => heard.push(value), fault: () => {} }, free);
  await store.set(key, 'aaaa', free);
  await until(() => heard.includes('aaaa'));
  path.die();
  await writer.store.set(key, 'bbbb', free);
  assert.equal(await store.get(key, free), 'bbbb');
  // What was missed is looked up.
  await until(() => heard.length > 1);
  await writer.store.set(key, 'cccc', free);
  await until(() => heard.includes('cccc'));
  assert.equal(logger.lines.at(-1)?.level, 'info', logger.text());
});

test('a slow answer within the deadline is an answer', async (t) => {
  const server = await startServer(t);
  if (!server) return;
  const { store, logger } = await openStore(t, { url: server.url });
  await store.get(randomKey(), free);
  const sleeping = server.command('DEBUG', 'SLEEP', '0.3');
  assert.equal(await store.get(randomKey(), free), undefined);
  await sleeping;
  assert.equal(logger.lines.length, 0);
});

test('something that is not Redis, and a port that takes the connection and closes it', async (t) => {
  const port = await freePort();
  // It reads too: a socket that nobody reads from is never closed.
  const web = createServer((socket) => socket.resume().end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  web.listen(port, '127.0.0.1');
  t.after(() => web.close());
  const { store } = await openStore(t, { url: `redis://127.0.0.1:${port}` });
  const error = (await store.get(randomKey(), free).catch((e: unknown) => e)) as StunmeshError;
  assert.ok(isStunmeshError(error) && error.retry === 'later', String(error));
});
