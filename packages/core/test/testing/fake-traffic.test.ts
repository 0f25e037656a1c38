import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { type Endpoint, type ErrorCode, hasCode } from '#src/api/index.js';
import { captureError, createFakeCapture } from '#src/testing/index.js';

const FAR = { family: 4, address: '198.51.100.7', port: 6881 } as const;
const { signal } = new AbortController();

test('UDP sockets of the fake have a port each, are heard by the test, and hear what it delivers', async () => {
  const fake = createFakeCapture();
  const heard: [Uint8Array, Endpoint][] = [];
  const open = () =>
    fake.openDatagrams({
      family: 4,
      firewallMark: 7,
      onMessage: (message, from) => heard.push([message, from]),
      onFault: (error) => assert.fail(error),
    });
  fake.traffic.onDatagram = ({ message, localPort }) => fake.traffic.deliverDatagram(message, FAR, localPort);
  const [one, two] = await Promise.all([open(), open()]);
  await one.send(Uint8Array.of(1), FAR);
  await two.send(Uint8Array.of(2), FAR);
  const [first, second] = fake.traffic.datagrams;
  assert.ok(first && second && first.localPort !== second.localPort);
  assert.deepEqual([first.to, first.firewallMark], [FAR, 7]);
  assert.deepEqual(heard, [
    [Uint8Array.of(1), FAR],
    [Uint8Array.of(2), FAR],
  ]);
  fake.fail('datagram', captureError('ERR_CAPTURE_BLOCKED'));
  await assert.rejects(one.send(Uint8Array.of(3), FAR), (error) => hasCode(error, 'ERR_CAPTURE_BLOCKED'));
  fake.setRoute(FAR.address, undefined, { firewallMark: 7 });
  fake.fail('datagram', undefined);
  await assert.rejects(one.send(Uint8Array.of(3), FAR), (error) => hasCode(error, 'ERR_CAPTURE_UNREACHABLE'));
  await one[Symbol.asyncDispose]();
  await assert.rejects(one.send(Uint8Array.of(3), FAR), (error) => hasCode(error, 'ERR_CLOSED'));
  assert.equal(fake.traffic.deliverDatagram(Uint8Array.of(4), FAR, first.localPort), false);
  assert.equal(fake.traffic.datagramSockets.size, 1);
  assert.equal(fake.traffic.datagrams.length, 2);
});

test('connections of the fake are real ones, refused where nobody listens or no route leads', async (t) => {
  const server = createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const fake = createFakeCapture();
  const to = { family: 4, address: '127.0.0.1', port } as const;
  const socket = await fake.connectTcp({ to, firewallMark: 5, signal });
  const [said] = await once(socket, 'data');
  assert.equal(String(said), 'hello');
  socket.destroy();
  assert.deepEqual(fake.traffic.connections, [{ to, firewallMark: 5 }]);
  server.close();
  await once(server, 'close');
  const refused = (code: ErrorCode) => (error: unknown) => hasCode(error, code);
  await assert.rejects(fake.connectTcp({ to, firewallMark: 0, signal }), refused('ERR_CAPTURE_SEND'));
  fake.setRoute(to.address, undefined);
  await assert.rejects(fake.connectTcp({ to, firewallMark: 0, signal }), refused('ERR_CAPTURE_UNREACHABLE'));
  assert.equal(fake.traffic.connections.length, 1);
});
