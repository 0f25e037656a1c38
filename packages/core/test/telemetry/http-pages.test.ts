/** The HTTP side: what is served, what is refused, and a port that is taken. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Endpoint } from '#src/api/index.js';
import { formatEndpoint, parseEndpoint } from '#src/net/index.js';
import { healthPage } from '#src/telemetry/health.js';
import { type HttpPages, openHttpPages, type PageRequest } from '#src/telemetry/http-pages.js';
import { deviceReading, readings } from './readings.js';

const LOCAL = parseEndpoint('127.0.0.1:0') as Endpoint;

async function serve(t: TestContext, listen = LOCAL): Promise<HttpPages> {
  const pages = await openHttpPages(listen, {
    '/metrics': async () => ({ status: 200, type: 'text/plain', body: 'a 1\n' }),
    '/healthz': () => ({ status: 503, type: 'text/plain', body: 'wg0: gone\n' }),
    '/broken': () => {
      throw new Error('a secret');
    },
  });
  t.after(() => pages[Symbol.asyncDispose]());
  return pages;
}

test('GET and HEAD of the pages there are; else 404 and 405; a page that fails says nothing of why', async (t) => {
  const base = `http://${formatEndpoint((await serve(t)).address)}`;
  const got = async (path: string, init?: RequestInit) => {
    const response = await fetch(`${base}${path}`, init);
    return [response.status, await response.text()];
  };
  assert.deepEqual(await got('/metrics'), [200, 'a 1\n']);
  assert.deepEqual(await got('/metrics?x=1'), [200, 'a 1\n']);
  assert.deepEqual(await got('/metrics', { method: 'HEAD' }), [200, '']);
  assert.deepEqual(await got('/healthz'), [503, 'wg0: gone\n']);
  assert.deepEqual(await got('/'), [404, 'there are: /metrics, /healthz, /broken\n']);
  assert.deepEqual(await got('/toString'), [404, 'there are: /metrics, /healthz, /broken\n']);
  assert.equal((await got('/metrics', { method: 'POST', body: 'x' }))[0], 405);
  assert.deepEqual(await got('/broken'), [500, 'internal error\n']);
});

test('a large page is sent compressed to who understands that, with its own headers; /metrics never is', async (t) => {
  const body = 'a line\n'.repeat(1_000);
  const asked: PageRequest[] = [];
  const pages = await openHttpPages(LOCAL, {
    '/large': (request) => {
      asked.push(request);
      return { status: 200, type: 'text/plain', body, compress: true, headers: { 'X-Own': 'yes' } };
    },
  });
  t.after(() => pages[Symbol.asyncDispose]());
  const get = async (accepts: string) => {
    const url = `http://${formatEndpoint(pages.address)}/large?peer=a%20b`;
    const response = await fetch(url, { headers: { 'accept-encoding': accepts } });
    assert.equal(await response.text(), body);
    const { headers } = response;
    assert.equal(headers.get('x-own'), 'yes');
    return [headers.get('content-encoding'), Number(headers.get('content-length')) < 200];
  };
  assert.deepEqual(await get('deflate, gzip;q=0.8'), ['gzip', true]);
  for (const accepts of ['identity', 'gzip;q=0', 'gzip; q=0.0, br', 'xgzip'])
    assert.deepEqual(await get(accepts), [null, false], accepts);
  assert.equal(asked[0]?.query.get('peer'), 'a b');
  assert.equal(asked[0]?.from, '127.0.0.1');
});

test('F76 300 connections that ask nothing, or half of it, keep nobody out; they end by themselves', async (t) => {
  const { address, port } = (await serve(t)).address;
  let ended = 0;
  const halves = Array.from({ length: 300 }, (_, n) => {
    const socket = connect(port, address);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      ended += 1;
    });
    if (n % 2 === 0) socket.write('GET /metrics HTTP/1.1\r\nx-');
    return socket;
  });
  await Promise.all(halves.map((socket) => (socket.connecting ? once(socket, 'connect') : undefined)));
  for (let round = 0; round < 40; round += 1) {
    const response = await fetch(`http://${address}:${port}/metrics`, { headers: { connection: 'close' } });
    assert.equal(await response.text(), 'a 1\n', `health check ${round}`);
  }
  assert.ok(ended >= 300 - 128 && ended <= 300, `${ended} ended`);
  for (const socket of halves) socket.destroy();
});

test('a port that is taken is ERR_METRICS_LISTEN with the address; closing is idempotent and ends open connections', async (t) => {
  const pages = await serve(t);
  const text = formatEndpoint(pages.address);
  await assert.rejects(serve(t, pages.address), {
    code: 'ERR_METRICS_LISTEN',
    message: `cannot serve metrics on ${text}: another program has this port; choose another, or end that program`,
  });
  const idle = connect(pages.address.port, pages.address.address);
  idle.on('error', () => undefined);
  await once(idle, 'connect');
  await Promise.all([pages[Symbol.asyncDispose](), pages[Symbol.asyncDispose]()]);
  if (!idle.closed) await once(idle, 'close');
  await serve(t, pages.address);
});

test('healthy while every configured device is taken up, there, and readable; peers and servers do not count', () => {
  assert.deepEqual(healthPage(readings()).status, 200);
  assert.deepEqual(healthPage(readings()).body, 'ok\n');
  const lost = { of: 'ipv4', code: 'ERR_STUN_NO_RESPONSE', message: 'no server answered' };
  const peers = deviceReading().peers.map((peer) => ({ ...peer, phase: 'suspect' }));
  assert.equal(healthPage(readings({ devices: [deviceReading({ errors: [lost], peers })] })).status, 200);

  const gone = { of: 'device', code: 'ERR_WG_DEVICE_NOT_FOUND', message: 'device wg0:\nthere is none' };
  for (const [devices, reason] of [
    [[], 'wg0: not taken up; the log says why, and a reload or restart tries again\n'],
    [[deviceReading({ state: 'missing' })], 'wg0: not read yet\n'],
    [
      [deviceReading({ state: 'missing', errors: [gone] })],
      'wg0: device wg0: there is none [ERR_WG_DEVICE_NOT_FOUND]\n',
    ],
    [[deviceReading({ errors: [gone] })], 'wg0: device wg0: there is none [ERR_WG_DEVICE_NOT_FOUND]\n'],
  ] as const)
    assert.deepEqual(healthPage(readings({ devices })), {
      status: 503,
      type: 'text/plain; charset=utf-8',
      body: reason,
    });
});
