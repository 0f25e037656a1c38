import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { createPortCheck } from '#src/runtime/udp-ports.js';

test('a port in use, of either family, and one of ip_local_port_range is not free; the others are', () => {
  const files: Record<string, string> = {
    '/proc/sys/net/ipv4/ip_local_port_range': '32768\t60999\n',
    '/proc/net/udp': '   sl  local_address rem_address\n   12: 0100007F:4E20 00000000:0000 07 00000000:00000000\n',
    '/proc/net/udp6': '   sl  local_address\n  7: 00000000000000000000000000000000:4E21 0000:0000 07\n',
  };
  const isFree = createPortCheck(
    () => 0,
    (path) => files[path] ?? '',
  );
  assert.deepEqual([20_000, 20_001, 20_002, 32_768, 60_999, 61_000].map(isFree), [
    false,
    false,
    true,
    false,
    false,
    true,
  ]);
});

test('a socket that is opened later is seen a second later', { skip: process.platform !== 'linux' }, async () => {
  let now = 0;
  const isFree = createPortCheck(() => now);
  const socket = createSocket('udp4');
  // Below the range from which the system gives ports.
  let port = 21_000;
  while (!isFree(port)) port += 1;
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  now = 2_000;
  assert.equal(isFree(port), false);
  socket.close();
});
