import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import type { StunmeshError } from '@stunmesh/core/api';
import { closeAtEnd } from './lab/at-end.js';
import { type RedisCluster, startCluster } from './lab/cluster.js';
import { redisOrSkip, startServer } from './lab/redis-server.js';
import { clock, failing, free, openStore, randomKey, randomValue, until } from './lab/store.js';

let shared: Promise<RedisCluster> | undefined;
after(async () => (await shared)?.[Symbol.asyncDispose]());

/** One for all tests that leave it whole. */
async function cluster(t: TestContext): Promise<RedisCluster | undefined> {
  const redis = await redisOrSkip(t);
  if (!redis) return undefined;
  shared ??= startCluster(redis, 3);
  const found = await shared;
  for (const server of found.servers) await server.command('FLUSHALL');
  return found;
}

/** One for a test that breaks it. */
async function ownCluster(t: TestContext): Promise<RedisCluster | undefined> {
  const redis = await redisOrSkip(t);
  if (!redis) return undefined;
  const found = await startCluster(redis, 3);
  closeAtEnd(t, found);
  return found;
}

const records = (count: number) => new Map(Array.from({ length: count }, () => [randomKey(), randomValue()]));

test('a thousand records over three nodes, known by one of them', async (t) => {
  const found = await cluster(t);
  if (!found) return;
  const [node = ''] = found.nodes;
  const { store } = await openStore(t, { cluster: [node], ttl: '1h' });
  const some = records(1000);
  assert.equal((await store.setMany?.(some, free))?.size, 0);
  assert.deepEqual(new Map(await store.getMany?.([...some.keys()], free)), some);
  const sizes = await Promise.all(found.servers.map((server) => server.command('DBSIZE')));
  assert.equal(
    sizes.reduce<number>((sum, size) => sum + Number(size), 0),
    1000,
  );
  for (const size of sizes) assert.ok(Number(size) > 250, `shares: ${sizes.join()}`);
});

test('a node is killed: its keys fail with "later", all others are served (F13); started again, all is well', async (t) => {
  const found = await ownCluster(t);
  if (!found) return;
  for (const server of found.servers) await server.command('CONFIG', 'SET', 'cluster-require-full-coverage', 'no');
  // The one node that is configured is the one that will go.
  const { store, logger } = await openStore(t, { cluster: found.nodes.slice(2) });
  const some = records(60);
  await store.setMany?.(some, free);
  const [key = ''] = some.keys();
  const heard: (string | undefined)[] = [];
  const watch = await store.watch?.([key], { change: (_, value) => heard.push(value), fault: () => {} }, free);
  const victim = found.servers[2];
  assert.ok(victim);
  await victim.kill();
  const failures = new Map(await store.setMany?.(some, free));
  assert.ok(failures.size > 5 && failures.size < 40, `${failures.size} of 60 failed`);
  for (const error of failures.values()) failing('ERR_STORE_UNAVAILABLE')(error as StunmeshError);
  const answers = new Map(await store.getMany?.([...some.keys()], free));
  for (const [key, value] of some) if (!failures.has(key)) assert.equal(answers.get(key), value);
  // News come by another node, which the one that is gone had named.
  await until(() => heard.length > 0);
  await found.servers[0]?.command('PUBLISH', `stunmesh:${key}@0`, 'ffff');
  await until(() => heard.includes('ffff'));
  await watch?.[Symbol.asyncDispose]();
  await victim.start();
  await found.ready();
  await until(async () => (await store.setMany?.(some, free))?.size === 0);
  assert.deepEqual(new Map(await store.getMany?.([...some.keys()], free)), some);
  await until(() => logger.lines.length === 2);
  assert.deepEqual(
    logger.lines.map(({ level }) => level),
    ['warn', 'info'],
    logger.text(),
  );
});

test('F13 a node that stands still: its keys fail with "later", all others are served within the deadline', async (t) => {
  const found = await ownCluster(t);
  if (!found) return;
  for (const server of found.servers) await server.command('CONFIG', 'SET', 'cluster-require-full-coverage', 'no');
  const { store } = await openStore(t, { cluster: found.nodes.slice(0, 1) });
  const some = records(60);
  await store.setMany?.(some, free);
  found.servers[2]?.signal('SIGSTOP');
  using limit = clock.deadline(8_000);
  const answers = new Map(await store.getMany?.([...some.keys()], { signal: limit.signal }));
  const errors = [...answers.values()].filter((answer) => typeof answer === 'object');
  assert.ok(errors.length > 5 && errors.length < 40, `${errors.length} of 60 failed`);
  for (const error of errors) failing('ERR_STORE_UNAVAILABLE', 'no answer')(error);
  found.servers[2]?.signal('SIGCONT');
});

test('all nodes are killed and started again: said once, and news come back', async (t) => {
  const found = await ownCluster(t);
  if (!found) return;
  const { store, logger } = await openStore(t, { cluster: found.nodes });
  const key = randomKey();
  const heard: (string | undefined)[] = [];
  await store.watch?.([key], { change: (_, value) => heard.push(value), fault: () => {} }, free);
  await store.set(key, 'aaaa', free);
  await until(() => heard.includes('aaaa'));
  for (const server of found.servers) await server.kill();
  await assert.rejects(store.get(key, free), failing('ERR_STORE_UNAVAILABLE'));
  for (const server of found.servers) await server.start();
  await found.ready();
  await until(() =>
    store.set(key, 'bbbb', free).then(
      () => true,
      () => false,
    ),
  );
  await until(() => store.set(key, 'bbbb', free).then(() => heard.includes('bbbb')));
  await until(() => logger.lines.some(({ level }) => level === 'info'));
  assert.deepEqual(
    logger.lines.map(({ level }) => level),
    ['warn', 'info'],
    logger.text(),
  );
});

test('a slot that moves to another node is followed', async (t) => {
  const found = await cluster(t);
  if (!found) return;
  const { store } = await openStore(t, { cluster: found.nodes, prefix: '{mesh}:' });
  const some = records(20);
  await store.setMany?.(some, free);
  const slot = Number(await found.servers[0]?.command('CLUSTER', 'KEYSLOT', '{mesh}:x'));
  const sizes = await Promise.all(found.servers.map((server) => server.command('DBSIZE')));
  const from = found.servers[sizes.indexOf(20)];
  const to = found.servers.find((server) => server !== from);
  assert.ok(from && to);
  const [fromId, toId] = [String(await from.command('CLUSTER', 'MYID')), String(await to.command('CLUSTER', 'MYID'))];
  await to.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId);
  await from.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId);
  for (const key of some.keys()) await from.command('MIGRATE', '127.0.0.1', to.port, `{mesh}:${key}`, 0, 5000);
  assert.deepEqual(new Map(await store.getMany?.([...some.keys()], free)), some, 'while it moves');
  for (const server of found.servers) await server.command('CLUSTER', 'SETSLOT', slot, 'NODE', toId);
  assert.deepEqual(new Map(await store.getMany?.([...some.keys()], free)), some);
  assert.equal((await store.setMany?.(some, free))?.size, 0);
});

test('the documented ACL suffices on a Cluster; a wrong password is named and not shown', async (t) => {
  const found = await cluster(t);
  if (!found) return;
  const rule =
    'on >right ~stunmesh:* &stunmesh:* -@all +mget +set +del +publish +subscribe +unsubscribe +ping +cluster|slots +client|setname';
  for (const server of found.servers) await server.command('ACL', 'SETUSER', 'mesh', ...rule.split(' '));
  const config = { cluster: found.nodes, username: 'mesh' };
  const { store } = await openStore(t, { ...config, password: 'right' });
  const key = randomKey();
  const heard: string[] = [];
  await store.watch?.([key], { change: (name) => heard.push(name), fault: assert.fail }, free);
  await store.set(key, 'abcd', free);
  assert.equal(await store.get(key, free), 'abcd');
  await until(() => heard.length > 0);
  for (const server of found.servers) assert.deepEqual(await server.command('ACL', 'LOG'), []);
  const wrong = await openStore(t, { ...config, password: 'tr0ut' });
  const error = (await wrong.store.get(key, free).catch((e: unknown) => e)) as StunmeshError;
  failing('ERR_STORE_DENIED', 'WRONGPASS')(error);
  assert.doesNotMatch(`${error.message}${error.stack}${String(error.cause)}${wrong.logger.text()}`, /tr0ut/);
});

test('a node of a Cluster as url, and a single server as cluster, are told apart', async (t) => {
  const found = await cluster(t);
  const server = await startServer(t);
  if (!found || !server) return;
  const single = await openStore(t, { url: `redis://${found.nodes[0]}` });
  const failures = new Map(await single.store.setMany?.(records(50), free));
  assert.ok(failures.size > 0);
  for (const error of failures.values()) failing('ERR_CONFIG_INVALID', 'cluster')(error as StunmeshError);
  const clustered = await openStore(t, { cluster: [`127.0.0.1:${server.port}`] });
  await assert.rejects(clustered.store.get(randomKey(), free), failing('ERR_CONFIG_INVALID', 'cluster', 'url'));
});
