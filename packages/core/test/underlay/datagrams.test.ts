/** UDP sockets of stores, with and without a tunnel that takes over the default way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DatagramsOptions, type Endpoint, StunmeshError } from '#src/api/index.js';
import { settle } from '#src/testing/fake-clock.js';
import { createDatagramsOpener } from '#src/underlay/datagrams.js';
import type { TunnelDevice } from '#src/underlay/full-tunnel.js';

const MARK = 0xca6c;
const full = (firewallMark: number): TunnelDevice => ({
  name: 'wg0',
  firewallMark,
  peers: new Map([[1, { allowedIps: ['0.0.0.0/0'] }]]),
});
const to = (address: string): Endpoint => ({ family: 4, address, port: 6881 });
const bytes = Uint8Array.of(1);

function scene() {
  const devices: TunnelDevice[] = [];
  const sent: string[] = [];
  const open = new Map<number, DatagramsOptions>();
  const opener = createDatagramsOpener(
    async (options) => {
      const { firewallMark } = options;
      assert.ok(!open.has(firewallMark), 'one socket for each mark');
      open.set(firewallMark, options);
      return {
        async send(_message, { address }) {
          sent.push(`${address} ${firewallMark}`);
        },
        async [Symbol.asyncDispose]() {
          open.delete(firewallMark);
        },
      };
    },
    () => devices,
  );
  const heard: string[] = [];
  const port = () =>
    opener({
      family: 4,
      onMessage: (_message, { address }) => heard.push(address),
      onFault: ({ code }) => heard.push(code),
    });
  return { devices, sent, open, heard, port };
}

test('F5 a datagram carries the mark as long as a full tunnel is there, and goes on as it is without one', async () => {
  const { devices, sent, open, heard, port } = scene();
  const socket = await port();
  await socket.send(bytes, to('198.51.100.1'));
  devices.push(full(MARK));
  await socket.send(bytes, to('198.51.100.1'));
  await socket.send(bytes, to('127.0.0.1'));
  devices[0] = full(7);
  await socket.send(bytes, to('198.51.100.1'));
  devices.pop();
  await socket.send(bytes, to('198.51.100.1'));
  assert.deepEqual(sent, ['198.51.100.1 0', `198.51.100.1 ${MARK}`, '127.0.0.1 0', '198.51.100.1 7', '198.51.100.1 0']);
  assert.deepEqual([...open.keys()], [0, 7], 'the socket with the former mark is closed');
  for (const { onMessage } of open.values()) onMessage(bytes, to('198.51.100.1'));
  assert.deepEqual(heard, ['198.51.100.1', '198.51.100.1']);
  await socket[Symbol.asyncDispose]();
  assert.equal(open.size, 0);
  await assert.rejects(socket.send(bytes, to('198.51.100.1')), { code: 'ERR_CLOSED' });
});

test('what may be inside the tunnel is sent both ways', async () => {
  const { devices, sent, port } = scene();
  devices.push(full(MARK));
  await (await port()).send(bytes, to('10.0.0.7'));
  assert.deepEqual(sent, [`10.0.0.7 ${MARK}`, '10.0.0.7 0']);
});

test('a datagram that did not arrive is no fault of the socket; a socket that is lost is told, and opened anew', async () => {
  const { sent, open, heard, port } = scene();
  const socket = await port();
  await socket.send(bytes, to('198.51.100.1'));
  open.get(0)?.onFault(new StunmeshError('ERR_CAPTURE_UNREACHABLE', 'nobody listens there'));
  assert.deepEqual(heard, []);
  open.get(0)?.onFault(new StunmeshError('ERR_CAPTURE_LOST', 'the socket is gone'));
  assert.deepEqual(heard, ['ERR_CAPTURE_LOST']);
  await settle();
  await socket.send(bytes, to('198.51.100.1'));
  assert.equal(sent.length, 2);
});
