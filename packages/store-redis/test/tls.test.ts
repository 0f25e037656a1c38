import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Connect } from '@stunmesh/core/api';
import { createMemoryLogger } from '@stunmesh/core/testing';
import redisStore, { type RedisStoreConfig } from '#src/index.js';
import { closeAtEnd } from './lab/at-end.js';
import { freePort, startServer } from './lab/redis-server.js';
import { clock, failing, free, openStore, randomKey } from './lab/store.js';
import { makeCertificates } from './lab/tls.js';

async function secureServer(t: TestContext, ...lines: readonly string[]) {
  const certificates = await makeCertificates();
  closeAtEnd(t, certificates);
  const { ca, cert, key } = certificates;
  const files = [`tls-cert-file ${cert}`, `tls-key-file ${key}`, `tls-ca-cert-file ${ca}`];
  const server = await startServer(t, { lines: ['port 0', 'tls-port PORT', ...files, ...lines] });
  return server && { server, ca, cert, key };
}

test('F33 what is wrong with TLS is named, with the setting that mends it', async (t) => {
  const found = await secureServer(t, 'tls-auth-clients no');
  if (!found) return;
  const { server, ca } = found;
  const url = `rediss://localhost:${server.port}`;
  const wrong = async (config: RedisStoreConfig, ...parts: readonly string[]) => {
    const { store } = await openStore(t, config);
    await assert.rejects(store.get(randomKey(), free), failing(...(parts as [string])));
  };
  await wrong({ url }, 'ERR_STORE_DENIED', 'set ca');
  await wrong({ url, ca, servername: 'other.example' }, 'ERR_STORE_DENIED', 'servername');
  await wrong({ url, ca: '/nowhere/ca.pem' }, 'ERR_STORE_DENIED', '/nowhere/ca.pem');
  await wrong({ url: `redis://localhost:${server.port}` }, 'ERR_STORE_UNAVAILABLE', 'rediss://');
  for (const config of [{ url }, { url: `rediss://127.0.0.1:${server.port}` }] as const) {
    const { store } = await openStore(t, { ...config, ca });
    assert.equal(await store.get(randomKey(), free), undefined);
  }
  const { store } = await openStore(t, { url: `rediss://127.0.0.1:${server.port}`, ca, servername: 'localhost' });
  assert.equal(await store.get(randomKey(), free), undefined);
});

test('a server that asks for our certificate gets it, or its absence is named', async (t) => {
  const found = await secureServer(t);
  if (!found) return;
  const { server, ca, cert, key } = found;
  const url = `rediss://localhost:${server.port}`;
  const bare = await openStore(t, { url, ca });
  await assert.rejects(bare.store.get(randomKey(), free), failing('ERR_STORE_DENIED', 'cert'));
  const { store } = await openStore(t, { url, ca, cert, key });
  assert.equal(await store.get(randomKey(), free), undefined);
});

test('the sockets are the host’s where it offers its own, also under TLS, and close with the store', async (t) => {
  const found = await secureServer(t, 'tls-auth-clients no');
  const plain = await startServer(t);
  if (!found || !plain) return;
  // The configured ports lead nowhere: only who uses the socket that it is given gets through.
  const ways = new Map([
    [await freePort(), plain.port],
    [await freePort(), found.server.port],
  ]);
  const [clear = 0, secure = 0] = ways.keys();
  let asked = 0;
  const marked = async ({ host, port }: { host: string; port: number }) => {
    asked += 1;
    return connect({ host, port: ways.get(port) ?? 0 });
  };
  for (const config of [{ url: `redis://127.0.0.1:${clear}` }, { url: `rediss://localhost:${secure}`, ca: found.ca }]) {
    const store = await redisStore.open(config, { clock, logger: createMemoryLogger(), connect: marked });
    closeAtEnd(t, store);
    const key = randomKey();
    const watch = await store.watch?.([key], { change: () => {}, fault: assert.fail }, free);
    await store.set(key, 'abcd', free);
    assert.equal(await store.get(key, free), 'abcd');
    await watch?.[Symbol.asyncDispose]();
  }
  assert.equal(asked, 4);
  const odd = await redisStore.open(
    { url: plain.url },
    { clock, logger: createMemoryLogger(), connect: (async () => 7) as unknown as Connect },
  );
  closeAtEnd(t, odd);
  await assert.rejects(odd.get(randomKey(), free), failing('ERR_PLUGIN_INVALID', 'no socket'));
});
