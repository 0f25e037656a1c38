import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import type { StunmeshError } from '@stunmesh/core/api';
import { createMemoryLogger } from '@stunmesh/core/testing';
import redisStore from '#src/index.js';
import { type RedisServer, startServer } from './lab/redis-server.js';
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
    await store.watch?.(
      [key],
      { change: (_, value = 'no value') => heard[index]?.push(value), fault: assert.fail },
      free,
    );
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
  assert.equal(heard[1]?.[2], 'no value', 'a deletion is news without a value');
});

test('news of another database, and of keys that nobody watches, are not heard', async (t) => {
  const server = await startServer(t);
  if (!server) return;
  const [key, other] = [randomKey(), randomKey()];
  const { store } = await openStore(t, { url: server.url });
  const elsewhere = await openStore(t, { url: `${server.url}/1` });
  const heard: (string | undefined)[] = [];
  await store.watch?.([key], { change: (_, value) => heard.push(value), fault: assert.fail }, free);
  await elsewhere.store.set(key, 'aaaa', free);
  await store.set(other, 'bbbb', free);
  await store.set(key, 'cccc', free);
  await until(() => heard.includes('cccc'));
  assert.deepEqual(heard, ['cccc']);
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
    for (let batch = 0; batch < 125; batch += 1) {
      await Promise.all(
        Array.from({ length: 8 }, (_, n) => (n % 2 ? store.get(key, long) : store.set(key, 'abcd', long))),
      );
    }
    if (round % 2 === 0) await watch?.[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
  }
  await until(() => sockets() === before);
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
  assert.ok(performance.now() - started < 4500, 'it does not wait for the 5 s of the attempt to connect');
  silent.close();
  await until(() => sockets() <= before + 2);
});
