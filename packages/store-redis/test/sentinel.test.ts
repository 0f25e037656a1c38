import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redisOrSkip, startServer } from './lab/redis-server.js';
import { failing, free, openStore, randomKey, until } from './lab/store.js';

test('sentinels name the master; after a failover the store goes on with the new one, news included', async (t) => {
  if (!(await redisOrSkip(t))) return;
  const master = await startServer(t, {
    lines: ['requirepass right', 'masterauth right'],
    admin: { password: 'right' },
  });
  const replica = await startServer(t, {
    lines: [
      `replicaof 127.0.0.1 ${master?.port}`,
      'requirepass right',
      'masterauth right',
      'repl-diskless-sync-delay 0',
    ],
    admin: { password: 'right' },
  });
  if (!master || !replica) return;
  await until(async () => String(await replica.command('INFO', 'replication')).includes('master_link_status:up'));
  const sentinel = await startServer(t, {
    args: ['--sentinel'],
    ready: /monitor master mesh/,
    lines: [
      `sentinel monitor mesh 127.0.0.1 ${master.port} 1`,
      'sentinel auth-pass mesh right',
      'sentinel down-after-milliseconds mesh 500',
      'sentinel failover-timeout mesh 3000',
    ],
  });
  if (!sentinel) return;
  await until(async () => String(await sentinel.command('SENTINEL', 'REPLICAS', 'mesh')).includes(`${replica.port}`));

  // The first sentinel is not there; the second one knows.
  const nodes = ['127.0.0.1:1', `127.0.0.1:${sentinel.port}`];
  const { store, logger } = await openStore(t, { sentinels: { name: 'mesh', nodes }, password: 'right' });
  const key = randomKey();
  const heard: (string | undefined)[] = [];
  await store.watch?.([key], { change: (_, value) => heard.push(value), fault: () => {} }, free);
  await store.set(key, 'aaaa', free);
  await until(() => heard.includes('aaaa'));
  assert.equal(await store.get(key, free), 'aaaa');

  await master.kill();
  await until(() =>
    store.set(key, 'bbbb', free).then(
      () => true,
      () => false,
    ),
  );
  assert.equal(await store.get(key, free), 'bbbb');
  await until(() => store.set(key, 'cccc', free).then(() => heard.includes('cccc')));
  assert.match(String(await replica.command('INFO', 'replication')), /role:master/);
  await until(() => logger.lines.some(({ level }) => level === 'info'));

  const unknown = await openStore(t, { sentinels: { name: 'other', nodes: nodes.slice(1) } });
  await assert.rejects(unknown.store.get(key, free), failing('ERR_STORE_UNAVAILABLE', 'no group named "other"'));
});
