import { join } from 'node:path';
import { after, test } from 'node:test';
import { storeCases } from '@stunmesh/core/conformance';
import { createMemoryLogger } from '@stunmesh/core/testing';
import redisStore, { type RedisStoreConfig } from '#src/index.js';
import { startCluster } from './lab/cluster.js';
import { findRedis } from './lab/find-redis.js';
import { openServer } from './lab/redis-server.js';
import { clock } from './lab/store.js';
import { makeCertificates } from './lab/tls.js';

const redis = await findRedis();
const closing: AsyncDisposable[] = [];
after(async () => {
  for (const each of closing) await each[Symbol.asyncDispose]();
});

if ('missing' in redis) test('store-redis: conformance', (t) => t.skip(redis.missing));
else {
  const plain = await openServer(redis, { lines: ['unixsocket FOLDER/redis.sock', 'unixsocketperm 700'] });
  const certificates = await makeCertificates();
  const { ca, cert, key } = certificates;
  const secure = await openServer(redis, {
    lines: ['port 0', 'tls-port PORT', `tls-cert-file ${cert}`, `tls-key-file ${key}`, `tls-ca-cert-file ${ca}`],
  });
  const cluster = await startCluster(redis, 3);
  closing.push(plain, secure, certificates, cluster);

  run('one server by TCP', { url: plain.url, ttl: '1h' });
  run('a unix socket, database 3', { url: `unix://${join(plain.folder, 'redis.sock')}?db=3`, prefix: 'mesh/' });
  run('TLS with certificates on both sides', { url: `rediss://localhost:${secure.port}`, ca, cert, key });
  run('a Cluster of three nodes', { cluster: cluster.nodes });
  run('a Cluster with all keys in one slot', { cluster: cluster.nodes, prefix: '{mesh}:' });
}

function run(name: string, config: RedisStoreConfig): void {
  const components = { clock, logger: createMemoryLogger() };
  const cases = storeCases({
    open: () => redisStore.open(config, components),
    openUnreachable: (given) => redisStore.open({ url: 'redis://127.0.0.1:1' }, { ...components, ...given }),
    openWith: (given) => redisStore.open(config, { ...components, ...given }),
    traits: redisStore.traits(config),
  });
  for (const each of cases) {
    test(`store-redis, ${name}: ${each.name}`, async (t) => {
      const result = await each.run();
      if (result) t.diagnostic(`does not apply: ${result.skipped}`);
    });
  }
}
