/** The HTTP side: what is served, what is refused, and a port that is taken. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Endpoint } from '#src/api/index.js';
import { formatEndpoint, parseEndpoint } from '#src/net/index.js';
import { healthPage } from '#src/telemetry/health.js';
import { type HttpPages, openHttpPages, type PageRequest } from '#src/telemetry/http-pages.js';
import { sharedBody } from '#src/telemetry/shared-body.js';
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
  assert.equal(asked[0]?.httpVersion, '1.1');
});

test('a body that many answers share is bytes once, plain and compressed, as each asked for it', async (t) => {
  const text = 'a line, ä\n'.repeat(1_000);
  const body = sharedBody(text);
  const page = { status: 200, type: 'text/plain; charset=utf-8', body, compress: true } as const;
  const pages = await openHttpPages(LOCAL, { '/shared': () => page });
  t.after(() => pages[Symbol.asyncDispose]());
  for (const accepts of ['gzip', 'identity', 'gzip']) {
    const url = `http://${formatEndpoint(pages.address)}/shared`;
    const response = await fetch(url, { headers: { 'accept-encoding': accepts } });
    assert.equal(await response.text(), text);
  }
  assert.equal(await body.gzipped(), await body.gzipped());
});

test('thousands of requests at once in one connection: a page is made for one at most, and the connection ends', async (t) => {
  for (const head of ['GET /page HTTP/1.1\r\nhost: a\r\n\r\n', 'HEAD /page HTTP/1.1\r\nhost: a\r\n\r\n']) {
    let made = 0;
    const pages = await openHttpPages(LOCAL, {
      '/page': async () => {
        made += 1;
        return { status: 200, type: 'text/plain', body: 'x'.repeat(100_000) };
      },
    });
    t.after(() => pages[Symbol.asyncDispose]());
    const { address, port } = pages.address;
    const socket = connect(port, address);
    socket.on('error', () => undefined);
    t.after(() => socket.destroy());
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(head.repeat(20_000));
    socket.resume();
    await closed;
    assert.ok(made <= 1, `${made} pages made`);
    // Read to its end: an answer that nobody reads keeps its socket.
    const text = await (await fetch(`http://${address}:${port}/page`)).text();
    assert.equal(text.length, 100_000);
  }
});

test('one request after the other in one connection are answered, however large the answers', async (t) => {
  const body = sharedBody('x'.repeat(3_000_000));
  const pages = await openHttpPages(LOCAL, {
    '/small': () => ({ status: 200, type: 'text/plain', body: 'small' }),
    '/large': () => ({ status: 200, type: 'text/plain', body }),
  });
  t.after(() => pages[Symbol.asyncDispose]());
  const { address, port } = pages.address;
  const socket = connect(port, address);
  t.after(() => socket.destroy());
  const got: Buffer[] = [];
  let wake = () => {};
  socket.on('data', (part) => {
    got.push(part);
    wake();
  });
  socket.on('close', () => wake());
  const isWhole = (length: number) => {
    const head = got[0]?.indexOf('\r\n\r\n') ?? -1;
    return head > 0 && got.reduce((sum, part) => sum + part.length, 0) >= head + 4 + length;
  };
  for (let round = 0; round < 40; round += 1) {
    const [path, length] = round % 2 === 0 ? ['/large', 3_000_000] : ['/small', 5];
    socket.write(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`);
    // The next one is asked as soon as the last byte is there.
    while (!isWhole(length)) {
      assert.ok(!socket.destroyed, `ended in round ${round}`);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    got.length = 0;
  }
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
