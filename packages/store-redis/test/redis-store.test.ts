import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { isStunmeshError, type StunmeshError } from '@stunmesh/core/api';
import { createMemoryLogger } from '@stunmesh/core/testing';
import redisStore from '#src/index.js';
import { freePort, type RedisServer, startServer } from './lab/redis-server.js';
import { clock, failing, free, openStore, randomKey, randomValue, until } from './lab/store.js';

/** Sockets of this process. */
const sockets = (): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      return false;
    }
  }).length;

/** How often the server carried out each command. */
async function calls(server: RedisServer): Promise<Record<string, number>> {
  const text = String(await server.command('INFO', 'commandstats'));
  const found = [...text.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)];
  return Object.fromEntries(found.map(([, name = '', count]) => [name, Number(count)]));
}

test('F32 opening and closing a store connects to nothing', async (t) => {
  const connections: Socket[] = [];
  const server = createServer((socket) => connections.push(socket)).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  assert.ok(typeof address === 'object' && address);
  const { store } = await openStore(t, { url: `redis://127.0.0.1:${address.port}` });
  await store[Symbol.asyncDispose]();
  assert.equal(connections.length, 0);
});

test('a thousand records are one round trip to read and one to write', async (t) => {
  const server = await startServer(t);
  if (!server) return;
  const { store } = await openStore(t, { url: server.url });
  const records = new Map(Array.from({ length: 1000 }, () => [randomKey(), randomValue()]));
  await store.get(randomKey(), free);
  const before = await calls(server);
  assert.equal((await store.setMany?.(records, free))?.size, 0);
  assert.deepEqual(new Map(await store.getMany?.([...records.keys()], free)), records);
  const after = await calls(server);
  assert.equal((after['mget'] ?? 0) - (before['mget'] ?? 0), 1);
  assert.equal(after['set'], 1000);
  assert.equal(after['publish'], 1000);
});

test('keys have the prefix and stand in their database; a ttl is set again by every write', async (t) => {
  const server = await startServer(t);
  if (!server) return;
  const { store } = await openStore(t, { url: `${server.url}/3`, prefix: 'mesh/', ttl: '1h' });
  const key = randomKey();
  await store.set(key, 'abcd', free);
  assert.equal(await server.command('EXISTS', `mesh/${key}`), 0);
  assert.match(String(await server.command('INFO', 'keyspace')), /^db3:keys=1,expires=1/m);
  await openStore(t, { url: server.url, prefix: 'mesh/' }).then(async ({ store: other }) => {
    assert.equal(await other.get(key, free), undefined, 'databases are kept apart');
  });
});

test('F33 an absent key, an empty value and a value of another kind read as absent; a stranger’s text as it is', async (t) => {
  const server = await startServer(t);
  if (!server) return;
  const { store } = await openStore(t, { url: server.url });
  const [absent, empty, list, foreign] = [randomKey(), randomKey(), randomKey(), randomKey()];
  await server.command('SET', `stunmesh:${empty}`, '');
  await server.command('RPUSH', `stunmesh:${list}`, 'x');
  await server.command('SET', `stunmesh:${foreign}`, 'no hex at all ☃');
  const found = await store.getMany?.([absent, empty, list, foreign], free);
  assert.deepEqual(new Map(found), new Map([[foreign, 'no hex at all ☃']]));
  assert.equal(await store.get(list, free), undefined);
  await store.set(list, 'abcd', free);
  assert.equal(await store.get(list, free), 'abcd');
});

test('two writers: the later one wins, and both watchers hear of it', async (t) => {
  const server = await startServer(t);
  if (!server) return;
  const key = randomKey();
  const one = await openStore(t, { url: server.url });
  const two = await openStore(t, { url: server.url });
  const heard: string[][] = [[], []];
  for (const [index, { store }] of [one, two].entries()) {
    await store.watch?.([key], { change: (_, value = '') => heard[index]?.push(value), fault: assert.fail }, free);
  }
  await one.store.set(key, 'aaaa', free);
  await two.store.set(key, 'bbbb', free);
  await until(() => heard.every((values) => values.length === 2));
  assert.deepEqual(heard, [
    ['aaaa', 'bbbb'],
    ['aaaa', 'bbbb'],
  ]);
  assert.equal(await one.store.get(key, free), 'bbbb');
  await one.store.delete?.(key, free);
  await until(() => heard.every((values) => values.length === 3));
  assert.equal(heard[1]?.[2], '', 'a deletion is news without a value');
});

test('news of another database, and of keys that nobody watches, are not heard', async (t) => {
  const server = await startServer(t);
  if (!server) return;
  const [key, other] = [randomKey(), randomKey()];
  const { store } = await openStore(t, { url: server.url });
  const elsewhere = await openStore(t, { url: `${server.url}/1` });
  const heard: string[] = [];
  await store.watch?.([key], { change: (name) => heard.push(name), fault: assert.fail }, free);
  await elsewhere.store.set(key, 'aaaa', free);
  await store.set(other, 'bbbb', free);
  await store.set(key, 'cccc', free);
  await until(() => heard.length > 0);
  assert.deepEqual(heard, [key]);
});

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
  const calls = keys.map((name) => store.set(name, 'abcd', free));
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

test('F34 wrong credentials are named, told once, and never shown; the server’s users may be mended meanwhile', async (t) => {
  const server = await startServer(t, { lines: ['user mesh on >right ~* &* +@all'] });
  if (!server) return;
  const config = { url: `redis://mesh:tr0ut@127.0.0.1:${server.port}` };
  const { store, logger } = await openStore(t, config);
  const faults: StunmeshError[] = [];
  const key = randomKey();
  await store.watch?.([key], { change: () => {}, fault: (e) => faults.push(e) }, free);
  const error = (await store.set(key, randomValue(), free).catch((e: unknown) => e)) as StunmeshError;
  failing('ERR_STORE_DENIED', 'wrong username or password', 'WRONGPASS')(error);
  assert.equal(error.retry, 'never');
  assert.equal(faults.length, 1);
  const shown = [error, ...faults].map((e) => `${e.message}${e.stack}${String(e.cause)}${JSON.stringify(e)}`).join();
  assert.doesNotMatch(`${shown}${logger.text()}`, /tr0ut/);
  assert.equal(logger.lines.length, 1, logger.text());
  await server.command('ACL', 'SETUSER', 'mesh', '>tr0ut');
  await until(() =>
    store.set(key, 'abcd', free).then(
      () => true,
      () => false,
    ),
  );
});

test('a server that wants a password says so at once; a password that it does not want does no harm', async (t) => {
  const server = await startServer(t, { lines: ['requirepass right'], admin: { password: 'right' } });
  const open = await startServer(t);
  if (!server || !open) return;
  const bare = await openStore(t, { url: server.url });
  await assert.rejects(bare.store.get(randomKey(), free), failing('ERR_STORE_DENIED', 'password_file', 'NOAUTH'));
  const file = join(server.folder, 'password');
  await writeFile(file, 'right\n');
  const { store } = await openStore(t, { url: server.url, password_file: file });
  assert.equal(await store.get(randomKey(), free), undefined);
  const needless = await openStore(t, { url: open.url, password: 'whatever' });
  assert.equal(await needless.store.get(randomKey(), free), undefined);
  assert.equal(needless.logger.lines.length, 0);
});

test('a database that the server does not have is an error, and never database 0', async (t) => {
  const server = await startServer(t);
  if (!server) return;
  const { store } = await openStore(t, { url: `${server.url}/99` });
  await assert.rejects(store.set(randomKey(), 'abcd', free), failing('ERR_CONFIG_INVALID', 'db'));
  assert.equal(await server.command('DBSIZE'), 0);
});

test('full: writes are refused with "later" and the remedy, reads go on', async (t) => {
  const server = await startServer(t, { lines: ['maxmemory-policy noeviction'] });
  if (!server) return;
  const { store } = await openStore(t, { url: server.url });
  const key = randomKey();
  await store.set(key, 'abcd', free);
  await server.command('CONFIG', 'SET', 'maxmemory', 1);
  const failures = await store.setMany?.(
    new Map([
      [key, 'ffff'],
      [randomKey(), 'eeee'],
    ]),
    free,
  );
  assert.equal(failures?.size, 2);
  for (const error of failures?.values() ?? []) failing('ERR_STORE_UNAVAILABLE', 'maxmemory', 'OOM')(error);
  await assert.rejects(store.set(key, 'ffff', free), failing('ERR_STORE_UNAVAILABLE', 'OOM'));
  assert.equal(await store.get(key, free), 'abcd');
});

test('a replica, and a server that cannot save, refuse writes with the remedy', async (t) => {
  const master = await startServer(t);
  const server = await startServer(t);
  if (!master || !server) return;
  const { store } = await openStore(t, { url: server.url });
  await server.command('CONFIG', 'SET', 'min-replicas-to-write', 1);
  await assert.rejects(store.set(randomKey(), 'ab', free), failing('ERR_STORE_UNAVAILABLE', 'min-replicas-to-write'));
  await server.command('REPLICAOF', '127.0.0.1', master.port);
  await until(
    () =>
      store
        .set(randomKey(), 'ab', free)
        .catch((e: StunmeshError) => e.message.includes('READONLY')) as Promise<boolean>,
  );
});

test('F31 a server that stands still: calls end with their signal, and the connection is replaced', async (t) => {
  const server = await startServer(t);
  if (!server) return;
  const { store, logger } = await openStore(t, { url: server.url });
  const key = randomKey();
  await store.set(key, 'abcd', free);
  server.signal('SIGSTOP');
  const reasons: unknown[] = [];
  for (const ms of [50, 2500]) {
    using limit = clock.deadline(ms);
    const started = performance.now();
    reasons.push(await store.get(key, { signal: limit.signal }).catch((e: unknown) => e));
    assert.ok(performance.now() - started < ms + 500, `a call of ${ms} ms`);
  }
  for (const reason of reasons) assert.ok(isStunmeshError(reason) && reason.code === 'ERR_DEADLINE', String(reason));
  await until(() => logger.lines.length === 1);
  server.signal('SIGCONT');
  await until(() =>
    store.get(key, free).then(
      (value) => value === 'abcd',
      () => false,
    ),
  );
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

test('the documented ACL suffices, and what is missing is named', async (t) => {
  const server = await startServer(t);
  if (!server) return;
  const rule =
    'on >right ~stunmesh:* &stunmesh:* -@all +mget +set +del +publish +subscribe +unsubscribe +ping +select'.split(' ');
  await server.command('ACL', 'SETUSER', 'mesh', ...rule);
  const config = { url: `redis://mesh:right@127.0.0.1:${server.port}/1`, ttl: '1h' };
  const { store, logger } = await openStore(t, config);
  const key = randomKey();
  const heard: string[] = [];
  const watch = await store.watch?.([key], { change: (name) => heard.push(name), fault: assert.fail }, free);
  await store.set(key, 'abcd', free);
  assert.equal(await store.get(key, free), 'abcd');
  await until(() => heard.length === 1);
  await store.delete?.(key, free);
  await watch?.[Symbol.asyncDispose]();
  assert.equal(logger.lines.length, 0, logger.text());
  assert.deepEqual(await server.command('ACL', 'LOG'), [], 'nothing was refused on the way');

  const foreign = await openStore(t, { ...config, prefix: 'other:' });
  const missing = ['ACL SETUSER', '~other:* &other:*', '+mget'];
  await assert.rejects(foreign.store.get(key, free), failing('ERR_STORE_DENIED', ...missing));
  await assert.rejects(foreign.store.set(key, 'abcd', free), failing('ERR_STORE_DENIED', ...missing));

  await server.command('ACL', 'SETUSER', 'mesh', '-publish');
  await store.set(key, 'cdef', free);
  await store.set(key, 'cdef', free);
  assert.equal(await store.get(key, free), 'cdef', 'a write that cannot be announced is a write');
  assert.equal(logger.lines.length, 1, logger.text());
  await server.command('ACL', 'SETUSER', 'mesh', '-subscribe');
  const faults: StunmeshError[] = [];
  await store.watch?.([key], { change: () => {}, fault: (e) => faults.push(e) }, free);
  await until(() => faults.length === 1);
  failing('ERR_STORE_DENIED', '+subscribe')(faults[0] as StunmeshError);
});

test('something that is not Redis, and a port that takes the connection and closes it', async (t) => {
  const port = await freePort();
  const web = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(port, '127.0.0.1');
  t.after(() => web.close());
  const { store } = await openStore(t, { url: `redis://127.0.0.1:${port}` });
  const error = (await store.get(randomKey(), free).catch((e: unknown) => e)) as StunmeshError;
  assert.ok(isStunmeshError(error) && error.retry === 'later', String(error));
});

test('ten thousand calls leave no socket, no listener and no timer behind', async (t) => {
  const server = await startServer(t);
  if (!server) return;
  const before = sockets();
  const logger = createMemoryLogger();
  const long = new AbortController();
  for (let round = 0; round < 10; round += 1) {
    const store = await redisStore.open({ url: server.url }, { clock, logger });
    const key = randomKey();
    const watch = await store.watch?.([key], { change: () => {}, fault: () => {} }, long);
    for (let batch = 0; batch < 10; batch += 1) {
      await Promise.all(
        Array.from({ length: 100 }, (_, n) => (n % 2 ? store.get(key, long) : store.set(key, 'abcd', long))),
      );
    }
    if (round % 2 === 0) await watch?.[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
  }
  await until(() => sockets() === before);
  const { getEventListeners } = await import('node:events');
  assert.equal(getEventListeners(long.signal, 'abort').length, 0);
  assert.equal(logger.lines.length, 0, logger.text());
  assert.match(String(await server.command('CLIENT', 'LIST')), /^[^\n]*\n?$/, 'the server has no client of ours');
});

test('closing while it connects to nowhere ends soon and leaves no socket', async (t) => {
  const before = sockets();
  // 192.0.2.0/24 is for documentation: nobody answers, if there is a way there at all.
  const silent = createServer().listen(0, '127.0.0.1');
  t.after(() => silent.close());
  await new Promise((resolve) => silent.once('listening', resolve));
  const address = silent.address();
  assert.ok(typeof address === 'object' && address);
  const listening = sockets();
  const { store } = await openStore(t, { url: `redis://127.0.0.1:${address.port}` });
  const call = store.get(randomKey(), free).catch((e: unknown) => e);
  const watch = store.watch?.([randomKey()], { change: () => {}, fault: () => {} }, free);
  await until(() => sockets() > listening);
  const started = performance.now();
  await store[Symbol.asyncDispose]();
  failing('ERR_CLOSED')((await call) as StunmeshError);
  await watch;
  assert.ok(performance.now() - started < 1000);
  silent.close();
  await until(() => sockets() <= before + 2);
});
