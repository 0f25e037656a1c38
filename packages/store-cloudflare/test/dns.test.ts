/** `read: dns` against a real name server on loopback. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import type { Store } from '@stunmesh/core/api';
import { createMemoryLogger, createSystemClock } from '@stunmesh/core/testing';
import cloudflareStore, { type CloudflareStoreConfig } from '#src/index.js';
import { TOKEN, ZONE } from './lab/api-server.js';
import { type NameServer, startNameServer } from './lab/name-server.js';
import { findNsd, type Nsd } from './lab/nsd.js';
import { failureOf, free, newKey, newValue, openStore, startApi } from './lab/open-store.js';

/** A line of the zone file; long texts are split as a zone file wants them. */
const txt = (key: string, ...strings: readonly string[]): string =>
  `${key}.wg TXT ${strings.map((text) => `"${text}"`).join(' ')}`;

async function serve(t: TestContext, options: { host?: string; port?: number } = {}): Promise<NameServer | undefined> {
  let nsd: Nsd;
  try {
    nsd = await findNsd();
  } catch (error) {
    t.skip(`needs Debian's NSD: ${(error as Error).message.split('\n')[0]}`);
    return undefined;
  }
  const server = await startNameServer({ nsd, zone: ZONE, ...options });
  t.after(() => server[Symbol.asyncDispose]());
  return server;
}

async function openDns(t: TestContext, more: Partial<CloudflareStoreConfig>): Promise<Store> {
  const store = await cloudflareStore.open(
    { zone: ZONE, subdomain: 'wg', read: 'dns', token_env: 'NO_SUCH_TOKEN', ...more },
    { clock: createSystemClock(), logger: createMemoryLogger() },
  );
  t.after(() => store[Symbol.asyncDispose]());
  return store;
}

test('records are read from the name server without a token, and absent ones are absent (F33)', async (t) => {
  const server = await serve(t);
  if (!server) return;
  const [plain, split, words, other, absent, long] = [newKey(), newKey(), newKey(), newKey(), newKey(), newKey()];
  const value = newValue(255);
  // More than an answer by UDP holds.
  const longest = newValue(2_000);
  await server.publish([
    txt(plain, value),
    txt(split, value.slice(0, 90), value.slice(90)),
    txt(words, 'this is no value'),
    txt(long, ...(longest.match(/.{1,255}/g) ?? [])),
    `${other}.wg A 192.0.2.1`,
  ]);
  const store = await openDns(t, { servers: [server.address] });
  assert.equal(await store.get(plain, free), value);
  assert.equal(await store.get(split, free), value);
  assert.equal(await store.get(long, free), longest);
  assert.equal(await store.get(words, free), 'thisisnovalue');
  assert.equal(await store.get(other, free), undefined);
  assert.equal(await store.get(absent, free), undefined);
  const many = await store.getMany?.([plain, absent, split, other], free);
  assert.deepEqual(many, new Map([plain, split].map((key) => [key, value])));
  assert.equal((await store.getMany?.([], free))?.size, 0);
});

test('F36 1,000 names are read by DNS without a call of the API', async (t) => {
  const server = await serve(t);
  if (!server) return;
  const wanted = new Map(Array.from({ length: 1000 }, () => [newKey(), newValue()]));
  await server.publish([...wanted].map(([key, value]) => txt(key, value)));
  const store = await openDns(t, { servers: [server.address], api: 'http://127.0.0.1:1' });
  const began = performance.now();
  assert.deepEqual(await store.getMany?.([...wanted.keys()], free), wanted);
  t.diagnostic(`1,000 names by DNS: ${Math.round(performance.now() - began)} ms`);
});

test('of several records all are shown in turn: their own time says which is the newest', async (t) => {
  const server = await serve(t);
  if (!server) return;
  const key = newKey();
  const values = [newValue(), newValue(), newValue()];
  await server.publish([...values.map((value) => txt(key, value)), txt(key, 'no value')]);
  const store = await openDns(t, { servers: [server.address] });
  const seen = [];
  for (let round = 0; round < 3; round += 1) seen.push(await store.get(key, free));
  assert.deepEqual(seen.sort(), values.sort());
});

test('what is written by the API is read by DNS', async (t) => {
  const server = await serve(t);
  if (!server) return;
  const api = await startApi(t);
  const store = await openStore(t, api, { read: 'dns', token: TOKEN, servers: [server.address] });
  const [key, first, second] = [newKey(), newValue(), newValue()];
  const publish = () =>
    server.publish([...api.records.values()].map(({ name, content }) => `${name}. TXT "${content}"`));
  await store.set(key, first, free);
  await publish();
  assert.equal(await store.get(key, free), first);
  await store.set(key, second, free);
  await publish();
  assert.equal(await store.get(key, free), second);
  await store.delete?.(key, free);
  await publish();
  assert.equal(await store.get(key, free), undefined);
  assert.equal(api.calls.filter(({ path }) => path === '/zones').length, 1);
});

test("the zone's name servers are found by the resolver and asked directly", async (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root to serve port 53');
  // An address of its own, as another run may do the same.
  const host = `127.53.${(process.pid >> 8) & 255}.${process.pid & 255}`;
  const server = await serve(t, { host, port: 53 });
  if (!server) return;
  const [key, value] = [newKey(), newValue()];
  await server.publish([txt(key, value)]);
  const store = await openDns(t, { resolver: [host] });
  assert.equal(await store.get(key, free), value);
  assert.deepEqual(await store.getMany?.([key, newKey()], free), new Map([[key, value]]));
});

test('F33 a server that knows nothing of the zone, or that is not there, is a failure and no absence', async (t) => {
  const server = await serve(t);
  if (!server) return;
  for (const [config, code, text] of [
    [{ servers: [server.address], zone: 'example.net' }, 'ERR_STORE_UNAVAILABLE', 'EREFUSED'],
    [{ servers: ['127.0.0.1:1'] }, 'ERR_STORE_UNAVAILABLE', 'ECONNREFUSED'],
    [{ resolver: ['127.0.0.1:1'] }, 'ERR_RESOLVE', 'ECONNREFUSED'],
    [{ resolver: [server.address], zone: `wg.${ZONE}` }, 'ERR_RESOLVE', 'ENOTFOUND'],
  ] as const) {
    const store = await openDns(t, config);
    const error = await failureOf(store.get(newKey(), free));
    assert.equal(error.code, code, error.message);
    assert.ok(error.message.includes(text), error.message);
    assert.equal(error.retry, 'later');
  }
  const store = await openDns(t, { servers: ['127.0.0.1:1'] });
  const keys = Array.from({ length: 100 }, newKey);
  const results = (await store.getMany?.(keys, free)) ?? new Map();
  assert.deepEqual([...new Set([...results.values()].map(({ code }) => code))], ['ERR_STORE_UNAVAILABLE']);
  assert.equal(results.size, 100);
});

test('a dead server is passed over', async (t) => {
  const server = await serve(t);
  if (!server) return;
  const [key, value] = [newKey(), newValue()];
  await server.publish([txt(key, value)]);
  const store = await openDns(t, { servers: ['127.0.0.1:1', server.address] });
  assert.equal(await store.get(key, free), value);
});

test('F31 a silent server ends with the caller, and with the store', async (t) => {
  const silent = createSocket('udp4');
  silent.bind(0, '127.0.0.1');
  await once(silent, 'listening');
  t.after(() => silent.close());
  const { port } = silent.address();
  const store = await openDns(t, { servers: [`127.0.0.1:${port}`] });
  const controller = new AbortController();
  const arrived = once(silent, 'message');
  const first = store.get(newKey(), controller);
  await arrived;
  controller.abort(new Error('given up'));
  await assert.rejects(first, /given up/);

  const lookup = await openDns(t, { resolver: [`127.0.0.1:${port}`] });
  const looking = once(silent, 'message');
  const other = new AbortController();
  const third = lookup.get(newKey(), other);
  await looking;
  other.abort(new Error('given up as well'));
  await assert.rejects(third, /given up as well/);

  const again = once(silent, 'message');
  const second = failureOf(store.getMany?.([newKey(), newKey()], free) ?? Promise.resolve());
  await again;
  await store[Symbol.asyncDispose]();
  assert.equal((await second).code, 'ERR_CLOSED');
  await assert.rejects(store.get(newKey(), free), { code: 'ERR_CLOSED' });
});

test('F36 servers that refuse one name are not asked for a thousand', async (t) => {
  const refusing = createSocket('udp4');
  let asked = 0;
  refusing.on('message', (query, from) => {
    asked += 1;
    const answer = Buffer.from(query);
    // A response (QR) with the code REFUSED: RFC 1035 4.1.1.
    answer.writeUInt8(answer.readUInt8(2) | 0x80, 2);
    answer.writeUInt8(5, 3);
    refusing.send(answer, from.port, from.address);
  });
  refusing.bind(0, '127.0.0.1');
  await once(refusing, 'listening');
  t.after(() => refusing.close());
  const store = await openDns(t, { servers: [`127.0.0.1:${refusing.address().port}`] });
  const keys = Array.from({ length: 1000 }, newKey);
  const results = (await store.getMany?.(keys, free)) ?? new Map();
  assert.equal(results.size, 1000);
  assert.ok(asked > 0 && asked <= 150, `${asked} questions`);
});

test('writing needs a token all the same, and says so', async (t) => {
  const store = await openDns(t, { servers: ['127.0.0.1:1'] });
  const error = await failureOf(store.set(newKey(), newValue(), free));
  assert.equal(error.code, 'ERR_STORE_DENIED');
  assert.match(error.message, /NO_SUCH_TOKEN/);
});
