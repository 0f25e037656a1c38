import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { StunmeshError } from '@stunmesh/core/api';
import { startServer } from './lab/redis-server.js';
import { failing, free, openStore, randomKey, randomValue, until } from './lab/store.js';

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

test('a right to subscribe that is taken away and given back: watching goes on by itself', async (t) => {
  const server = await startServer(t);
  if (!server) return;
  await server.command('ACL', 'SETUSER', 'mesh', 'on', '>right', '~*', '&*', '+@all');
  const { store } = await openStore(t, { url: `redis://mesh:right@127.0.0.1:${server.port}` });
  const [one, two] = [randomKey(), randomKey()];
  const heard: string[] = [];
  const faults: string[] = [];
  const watch = (key: string) =>
    store.watch?.([key], { change: (name) => heard.push(name), fault: () => faults.push(key) }, free);
  await watch(one);
  await server.command('ACL', 'SETUSER', 'mesh', '-subscribe');
  await watch(two);
  await until(() => faults.includes(one) && faults.includes(two));
  await server.command('ACL', 'SETUSER', 'mesh', '+subscribe');
  await until(() => heard.includes(one) && heard.includes(two));
});
