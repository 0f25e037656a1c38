/** Metrics come and go with the configuration, and never trouble the rest. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type Endpoint, StunmeshError } from '#src/api/index.js';
import { formatEndpoint, parseEndpoint } from '#src/net/index.js';
import { createMetricsHub } from '#src/telemetry/metrics-hub.js';
import { createFakeClock, createMemoryLogger } from '#src/testing/index.js';
import { readings } from './readings.js';

const LOCAL = parseEndpoint('127.0.0.1:0') as Endpoint;
const at = (listen: Endpoint, page = false) => ({ listen, page });

function open(t: TestContext) {
  const clock = createFakeClock();
  const logger = createMemoryLogger();
  const page = { opened: 0, closed: 0, events: [] as string[] };
  const openPage = async () => {
    page.opened += 1;
    return {
      pages: { '/': () => ({ status: 200, type: 'text/html', body: 'the page' }) },
      event: ({ event }: { event: string }) => page.events.push(event),
      [Symbol.dispose]() {
        page.closed += 1;
      },
    };
  };
  const hub = createMetricsHub({ clock, logger, startedAtMs: 0, readings: () => readings(), openPage });
  t.after(() => hub[Symbol.asyncDispose]());
  const addresses = () => logger.lines.flatMap(({ fields }) => fields['address'] ?? []) as string[];
  return { clock, logger, hub, addresses, page };
}

const get = async (address: string | undefined, path = '/metrics') => {
  const response = await fetch(`http://${address}${path}`);
  return { status: response.status, text: await response.text() };
};

async function freePort(): Promise<Endpoint> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return { ...LOCAL, port };
}

test('nothing is served until it is asked for; counts survive a move to another address, and end with the metrics', async (t) => {
  const { hub, addresses } = open(t);
  hub.event({ event: 'network', device: 'early' });
  await hub.follow(undefined);
  assert.deepEqual(addresses(), []);
  await hub.follow(at(LOCAL));
  hub.event({ event: 'network', device: 'wg0' });
  const found = { server: 'stun.test:3478', rttMs: 20, more: true };
  assert.equal(await hub.discovery('wg0', 4, Promise.resolve(found)), found);
  for (const code of ['ERR_STUN_NO_RESPONSE', 'ERR_CLOSED'] as const)
    await assert.rejects(hub.discovery('wg0', 4, Promise.reject(new StunmeshError(code, 'x'))), { code });
  const count = /stunmesh_network_changes_total\{device="wg0"\} 1/;
  const first = await get(addresses()[0]);
  assert.match(first.text, count);
  assert.doesNotMatch(first.text, /early|ERR_CLOSED/);
  assert.match(first.text, /stunmesh_stun_rtt_seconds_count\{.*server="stun\.test:3478"\} 1/);
  assert.match(first.text, /stunmesh_stun_failures_total\{.*code="ERR_STUN_NO_RESPONSE"\} 1/);
  assert.deepEqual(await get(addresses()[0], '/healthz'), { status: 200, text: 'ok\n' });

  const other = await freePort();
  await hub.follow(at(other));
  assert.equal(addresses()[1], formatEndpoint(other));
  assert.match((await get(addresses()[1])).text, count);
  await assert.rejects(get(addresses()[0]));
  await hub.follow(at(other));
  assert.equal(addresses().length, 2);

  await hub.follow(undefined);
  await assert.rejects(get(addresses()[1]));
  await hub.follow(at(other));
  assert.doesNotMatch((await get(addresses()[2])).text, /changes_total\{/);
});

test('a port that is taken is one error in the log; it is tried again, and served once it is free', async (t) => {
  const { hub, clock, logger, addresses } = open(t);
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  await hub.follow(at({ ...LOCAL, port }));
  const errors = () => logger.lines.filter(({ level }) => level === 'error');
  assert.equal(errors().length, 1);
  assert.match(logger.text(), /ERR_METRICS_LISTEN/);
  await clock.advance(30_000);
  await new Promise((resolve) => other.close(resolve));
  while (addresses().length === 0) await clock.advance(30_000);
  assert.equal((await get(`127.0.0.1:${port}`)).status, 200);
  assert.equal(errors().length, 1);
});

test('what is given up is not tried again', async (t) => {
  const { hub, clock, addresses } = open(t);
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  await hub.follow(at({ ...LOCAL, port }));
  await hub.follow(undefined);
  await new Promise((resolve) => other.close(resolve));
  await clock.advance(120_000);
  assert.deepEqual(addresses(), []);
  await assert.rejects(get(`127.0.0.1:${port}`));
});

test('the page is opened only when it is asked for, gets the events, outlives a move, and is closed with its switch and the hub', async (t) => {
  const { hub, addresses, page } = open(t);
  await hub.follow(at(LOCAL));
  assert.equal((await get(addresses()[0], '/')).status, 404);
  assert.equal(page.opened, 0);
  const [one, two] = [await freePort(), await freePort()];
  await hub.follow(at(one, true));
  assert.deepEqual(await get(formatEndpoint(one), '/'), { status: 200, text: 'the page' });
  assert.equal((await get(formatEndpoint(one))).status, 200);
  hub.event({ event: 'phase', device: 'wg0' });
  await hub.follow(at(two, true));
  assert.equal((await get(formatEndpoint(two), '/')).text, 'the page');
  assert.deepEqual(page, { opened: 1, closed: 0, events: ['phase'] });

  await hub.follow(at(two, false));
  assert.equal((await get(formatEndpoint(two), '/')).status, 404);
  assert.equal(page.closed, 1);
  await hub.follow(at(two, true));
  await hub[Symbol.asyncDispose]();
  assert.deepEqual([page.opened, page.closed], [2, 2]);
});
