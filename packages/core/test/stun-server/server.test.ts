import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { type TestContext, test } from 'node:test';
import { type Endpoint, hasCode } from '#src/api/index.js';
import { parseEndpoint } from '#src/net/index.js';
import { createSystemClock } from '#src/runtime/system-clock.js';
import {
  ATTRIBUTE,
  changeRequestAttribute,
  readAddress,
  readErrorCode,
  readMappedAddress,
} from '#src/stun/attributes.js';
import { formatMessage, parseMessage, type StunAttribute, type StunMessage } from '#src/stun/message.js';
import { openStunServer, type StunServerOptions } from '#src/stun-server/index.js';
import { createMemoryLogger } from '#src/testing/index.js';

const endpoint = (text: string) => {
  const parsed = parseEndpoint(text);
  assert.ok(parsed);
  return parsed;
};

async function serve(t: TestContext, addresses: readonly string[], options: Partial<StunServerOptions> = {}) {
  const server = await openStunServer({
    addresses: addresses.map(endpoint),
    clock: createSystemClock(),
    logger: createMemoryLogger(),
    ...options,
  });
  t.after(() => server[Symbol.asyncDispose]());
  return server;
}

async function client(t: TestContext, address = '127.0.0.1'): Promise<Socket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.bind(0, address);
  await once(socket, 'listening');
  t.after(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  return socket;
}

/** A request that is this much longer has room for an answer with everything in it. */
const LONGER: StunAttribute = { type: ATTRIBUTE.SOFTWARE, value: new Uint8Array(64) };

const request = (attributes: readonly StunAttribute[] = []) =>
  formatMessage({ class: 'request', method: 1, transactionId: new Uint8Array(12).fill(5), attributes });

async function ask(
  socket: Socket,
  to: Endpoint,
  attributes: readonly StunAttribute[] = [],
): Promise<{ message: StunMessage; from: Endpoint }> {
  const received = once(socket, 'message');
  socket.send(request(attributes), to.port, to.address);
  const [bytes, from] = await received;
  const message = parseMessage(bytes);
  assert.ok(message);
  return { message, from: { family: to.family, address: from.address, port: from.port } };
}

test('one address: a client learns its own address and port', async (t) => {
  const server = await serve(t, ['127.0.0.1:0']);
  const [address] = server.addresses;
  assert.ok(address && address.port > 0);
  const socket = await client(t);
  const { message, from } = await ask(socket, address, [LONGER]);
  assert.deepEqual(readMappedAddress(message), endpoint(`127.0.0.1:${socket.address().port}`));
  assert.deepEqual(readAddress(message, ATTRIBUTE.RESPONSE_ORIGIN), address);
  assert.equal(readAddress(message, ATTRIBUTE.OTHER_ADDRESS), undefined);
  assert.deepEqual(from, address);
});

test('IPv6 works beside IPv4, each on its own', async (t) => {
  const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some((a) => a.address === '::1'));
  if (!hasIpv6) return t.skip('needs ::1 on the loopback interface');
  const server = await serve(t, ['127.0.0.1:0', '[::1]:0']);
  assert.deepEqual(
    server.addresses.map((a) => a.family),
    [4, 6],
  );
  const six = server.addresses[1];
  assert.ok(six);
  const socket = await client(t, '::1');
  const { message } = await ask(socket, six);
  assert.deepEqual(readMappedAddress(message), endpoint(`[::1]:${socket.address().port}`));
});

test('a wildcard address answers without RESPONSE-ORIGIN', async (t) => {
  const server = await serve(t, ['0.0.0.0:0']);
  const { message } = await ask(await client(t), { ...endpoint('127.0.0.1:0'), port: server.addresses[0]?.port ?? 0 });
  assert.ok(readMappedAddress(message));
  assert.equal(readAddress(message, ATTRIBUTE.RESPONSE_ORIGIN), undefined);
});

test('two addresses: CHANGE-REQUEST is answered from the other address, port, or both (RFC 5780)', async (t) => {
  const server = await serve(t, ['127.0.0.1:0', '127.0.0.2:0']);
  const [one, two, oneAlternate, twoAlternate] = server.addresses;
  assert.ok(one && two && oneAlternate && twoAlternate);
  assert.equal(one.port, two.port);
  assert.equal(oneAlternate.port, twoAlternate.port);
  assert.notEqual(one.port, oneAlternate.port);
  const socket = await client(t);
  const grid = { [`${one.address}:${one.port}`]: [one, oneAlternate, two, twoAlternate] };
  grid[`${two.address}:${oneAlternate.port}`] = [twoAlternate, two, oneAlternate, one];
  for (const [asked, origins] of Object.entries(grid)) {
    const [same, port, ip, both] = origins;
    const wanted = [
      [false, false, same],
      [false, true, port],
      [true, false, ip],
      [true, true, both],
    ] as const;
    for (const [changeIp, changePort, origin] of wanted) {
      const { message, from } = await ask(socket, endpoint(asked), [
        changeRequestAttribute({ changeIp, changePort }),
        LONGER,
      ]);
      assert.deepEqual(from, origin);
      assert.deepEqual(readAddress(message, ATTRIBUTE.RESPONSE_ORIGIN), origin);
      assert.deepEqual(readAddress(message, ATTRIBUTE.OTHER_ADDRESS), both);
    }
  }
});

test('one address: CHANGE-REQUEST gets 420', async (t) => {
  const server = await serve(t, ['127.0.0.1:0']);
  const attributes = [changeRequestAttribute({ changeIp: true, changePort: true })];
  assert.ok(server.addresses[0]);
  const { message } = await ask(await client(t), server.addresses[0], attributes);
  assert.equal(readErrorCode(message)?.code, 420);
});

test('F42 a flood from one source gets its rate and no more, another source is served', async (t) => {
  const server = await serve(t, ['127.0.0.1:0'], { ratePerSecond: 5 });
  const [address] = server.addresses;
  assert.ok(address);
  const flooder = await client(t, '127.0.0.3');
  let answers = 0;
  flooder.on('message', () => {
    answers += 1;
  });
  for (let i = 0; i < 200; i += 1)
    await new Promise((sent) => flooder.send(request(), address.port, address.address, sent));
  // The other source's answer comes after all of the flood was read: one socket, one queue.
  await ask(await client(t, '127.0.0.1'), address);
  await new Promise((next) => setImmediate(next));
  assert.ok(answers >= 10 && answers < 30, `${answers} answers`);
});

test('a port that is taken is ERR_STUN_SERVER with the address, and no other socket stays open', async (t) => {
  const taken = await client(t);
  const { port } = taken.address();
  await assert.rejects(serve(t, ['127.0.0.2:0', `127.0.0.1:${port}`]), (e) => {
    assert.ok(hasCode(e, 'ERR_STUN_SERVER'));
    assert.match(String(e), new RegExp(`127\\.0\\.0\\.1:${port}: another program has this port`));
    return true;
  });
  await assert.rejects(serve(t, ['192.0.2.1:0']), /this host does not have that address/);
  await assert.rejects(serve(t, []), (e) => hasCode(e, 'ERR_USAGE'));
  const options = { alternatePort: port };
  await assert.rejects(serve(t, [`127.0.0.2:${port}`, `127.0.0.3:${port}`], options), (e) => hasCode(e, 'ERR_USAGE'));
});

test('closing is idempotent and frees the port', async (t) => {
  const server = await serve(t, ['127.0.0.1:0']);
  const port = server.addresses[0]?.port ?? 0;
  await Promise.all([server[Symbol.asyncDispose](), server[Symbol.asyncDispose]()]);
  await server[Symbol.asyncDispose]();
  await serve(t, [`127.0.0.1:${port}`]);
});

test('F42 all sources together get their rate and no more; what became of each datagram is counted', async (t) => {
  const server = await serve(t, ['127.0.0.1:0'], { ratePerSecond: 1_000, totalPerSecond: 5 });
  const [address] = server.addresses;
  assert.ok(address);
  const sockets = await Promise.all(Array.from({ length: 5 }, (_, index) => client(t, `127.0.0.${10 + index}`)));
  let answers = 0;
  for (const socket of sockets)
    socket.on('message', () => {
      answers += 1;
    });
  const send = (socket: Socket, bytes: Uint8Array) =>
    new Promise((sent) => socket.send(bytes, address.port, address.address, sent));
  for (let i = 0; i < 40; i += 1) for (const socket of sockets) await send(socket, request());
  const [first] = sockets;
  assert.ok(first);
  await send(first, new Uint8Array(30));
  const unknown = request([{ type: 0x0024, value: new Uint8Array(4) }]);
  await send(first, unknown);
  // All that was sent has been read once the counts add up.
  while (Object.values(counted()).reduce((sum, count) => sum + count) < 202)
    await new Promise((next) => setImmediate(next));
  function counted() {
    const { answered, refused, ignored, limited } = server.counters;
    return { answered, refused, ignored, limited };
  }
  const { answered, refused, ignored } = counted();
  assert.ok(answered + refused >= 10 && answered + refused < 30, `${answered} answers`);
  assert.equal(ignored, 1);
  const { receivedBytes, sentBytes, sources } = server.counters;
  assert.equal(receivedBytes, 200 * 20 + 30 + unknown.length);
  assert.ok(sentBytes >= answered * 32);
  assert.equal(sources, 5);
  assert.ok(answers <= answered);
});

test('F42 what is no request costs no place in the table of sources', async (t) => {
  const server = await serve(t, ['127.0.0.1:0']);
  const [address] = server.addresses;
  assert.ok(address);
  const socket = await client(t);
  for (const bytes of [new Uint8Array(1), new Uint8Array(2000), request().subarray(0, 19)])
    await new Promise((sent) => socket.send(bytes, address.port, address.address, sent));
  while (server.counters.ignored < 3) await new Promise((next) => setImmediate(next));
  assert.equal(server.counters.sources, 0);
  assert.equal(server.counters.sentBytes, 0);
});
