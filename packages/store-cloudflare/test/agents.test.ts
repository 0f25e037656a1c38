/** Sockets that the host opens, for packets that need a mark. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, connect as dial } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type Connect, StunmeshError } from '@stunmesh/core/api';
import { createMemoryLogger, createSystemClock, settle } from '@stunmesh/core/testing';
import cloudflareStore from '#src/index.js';
import { TOKEN, ZONE } from './lab/api-server.js';
import { failureOf, free, newKey, newValue, startApi } from './lab/open-store.js';

async function openWith(t: TestContext, api: string, connect: Connect) {
  const store = await cloudflareStore.open(
    { zone: ZONE, subdomain: 'wg', token: TOKEN, api },
    { clock: createSystemClock(), logger: createMemoryLogger(), connect },
  );
  t.after(() => store[Symbol.asyncDispose]());
  return store;
}

test("every connection is the host's, and the calls of one beat share it", async (t) => {
  const api = await startApi(t);
  const asked: string[] = [];
  const store = await openWith(t, api.url, async ({ host, port }) => {
    asked.push(`${host}:${port}`);
    const socket = dial(port, host);
    await once(socket, 'connect');
    return socket;
  });
  const [key, value] = [newKey(), newValue()];
  await store.set(key, value, free);
  assert.equal(await store.get(key, free), value);
  assert.deepEqual(asked, [new URL(api.url).host]);
  await store[Symbol.asyncDispose]();
  while (api.openSockets > 0) await settle();
});

test('TLS is spoken over such a connection, with the name of the API', async (t) => {
  const hellos: Buffer[] = [];
  const server = createServer((socket) => {
    socket.on('data', (data) => {
      hellos.push(data);
      socket.destroy();
    });
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const store = await openWith(t, 'https://api.example.com/client/v4', async ({ host, port: wanted }) => {
    assert.deepEqual([host, wanted], ['api.example.com', 443]);
    return dial(port, '127.0.0.1');
  });
  assert.equal((await failureOf(store.get(newKey(), free))).code, 'ERR_STORE_UNAVAILABLE');
  const hello = hellos[0] ?? Buffer.alloc(0);
  assert.equal(hello[0], 22, 'a TLS handshake');
  assert.ok(hello.includes('api.example.com'));
  assert.ok(!hello.includes(TOKEN));
});

test('what the host says of a connection that cannot be opened is passed on', async (t) => {
  const store = await openWith(t, 'https://api.example.com', async () => {
    throw new StunmeshError('ERR_CAPTURE_PERMISSION', 'marks need CAP_NET_ADMIN');
  });
  const error = await failureOf(store.get(newKey(), free));
  assert.equal(error.code, 'ERR_CAPTURE_PERMISSION');
  const broken = await openWith(t, 'https://api.example.com', (async () => 'no socket') as unknown as Connect);
  assert.equal((await failureOf(broken.get(newKey(), free))).code, 'ERR_PLUGIN_INVALID');
});
