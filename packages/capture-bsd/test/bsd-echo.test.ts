/** Echo sockets on a FreeBSD and a macOS that are played. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, type StunmeshError } from '@stunmesh/core/api';
import { encodeEcho } from '@stunmesh/core/net';
import { openEchoSocket } from '#src/echo-socket.js';
import type { Native } from '#src/native.js';
import { createRouteMonitor } from '#src/route-monitor.js';
import { createFakeNative, FREEBSD, MACOS } from './fake-native.js';
import { ip4, join } from './frames.js';

const none = new Uint8Array();
const echo = (kind: 'request' | 'reply', family: 4 | 6 = 4) =>
  encodeEcho(family, { kind, id: 1, sequence: 2, payload: Uint8Array.of(3) });

function start(family: 4 | 6, constants: Native['constants'], dontFragment = false) {
  const native = createFakeNative(constants);
  native.setInterfaces([
    { name: 'em0', addresses: ['192.0.2.1', '2001:db8::1'] },
    { name: 'wg0', addresses: ['10.99.0.1', 'fd99::1'] },
  ]);
  native.source = family === 4 ? '10.99.0.1' : 'fd99::1';
  const heard: string[] = [];
  const faults: StunmeshError[] = [];
  const socket = openEchoSocket(native, createRouteMonitor(native), {
    family,
    device: 'wg0',
    dontFragment,
    onPacket: (icmp, from) => heard.push(`${icmp[0]} ${icmp.length} ${from}`),
    onFault: (error) => faults.push(error),
  });
  const raw = native.openOnes().find(({ kind }) => kind !== 'bpf' && kind[0] !== constants.AF_ROUTE);
  const route = native.openOnes().find(({ kind }) => kind !== 'bpf' && kind[0] === constants.AF_ROUTE);
  assert.ok(raw && route);
  return { native, socket, heard, faults, raw, route };
}

test('F30 where a socket cannot be bound to the device, as on FreeBSD, the route is checked at each echo', async () => {
  const { native, socket, raw } = start(4, FREEBSD);
  await socket.send(echo('request'), '10.99.0.2');
  assert.equal(raw.sent.length, 1);
  for (const source of ['192.0.2.1', undefined]) {
    native.source = source;
    await assert.rejects(socket.send(echo('request'), '10.99.0.2'), (error) =>
      hasCode(error, 'ERR_CAPTURE_UNREACHABLE'),
    );
  }
  assert.equal(raw.sent.length, 1);
});

test('F30 on macOS the socket is bound by IP_BOUND_IF and IPV6_BOUND_IF to the index of the device', () => {
  for (const [family, level, name] of [
    [4, MACOS.IPPROTO_IP, MACOS.IP_BOUND_IF],
    [6, MACOS.IPPROTO_IPV6, MACOS.IPV6_BOUND_IF],
  ] as const) {
    const { raw } = start(family, MACOS);
    assert.deepEqual(raw.options[0], { level, name, value: Uint8Array.of(2, 0, 0, 0) });
  }
});

test('packets that must leave whole are asked of the system so, and only then', () => {
  for (const [family, name] of [
    [4, FREEBSD.IP_DONTFRAG],
    [6, FREEBSD.IPV6_DONTFRAG],
  ] as const) {
    assert.ok(!start(family, FREEBSD).raw.options.some((option) => option.name === name));
    const set = start(family, FREEBSD, true).raw.options.find((option) => option.name === name);
    assert.deepEqual(set?.value, Uint8Array.of(1, 0, 0, 0));
  }
});

test('F28 replies alone are handed over, whatever the system wrote into the length of the header', () => {
  const { raw, heard } = start(4, MACOS);
  const reply = ip4(echo('reply'), { protocol: 1, options: 8 });
  const hostOrder = Uint8Array.from(reply);
  hostOrder.set([9, 0], 2);
  for (const packet of [reply, hostOrder, ip4(echo('request'), { protocol: 1 }), reply.subarray(0, 10), none])
    raw.onPacket?.(undefined, packet, none, none, 0);
  assert.deepEqual(heard, ['0 9 198.51.100.7', '0 9 198.51.100.7']);
});

test('on the BSDs a set bit of ICMP6_FILTER lets a type pass', () => {
  const { raw } = start(6, FREEBSD);
  const filter = raw.options.find(({ name }) => name === FREEBSD.ICMP6_FILTER)?.value;
  assert.deepEqual(filter, Buffer.from(join(new Array<number>(16).fill(0), [2], new Array<number>(15).fill(0))));
});

test('a TTL is set when it changes, and the default is one that the system takes', async () => {
  const { socket, raw } = start(4, FREEBSD);
  for (const ttl of [1, 1, undefined, undefined, 64])
    await socket.send(echo('request'), '10.99.0.2', ttl === undefined ? {} : { ttl });
  const set = raw.options.filter(({ name }) => name === FREEBSD.IP_TTL).map(({ value }) => value[0]);
  assert.deepEqual(set, [1, 64, 64]);
});

test('F30 a device that is gone, or has another index, ends the socket with one fault', async () => {
  const { native, socket, faults, route } = start(4, FREEBSD);
  const announce = join([24, 0, 5, 0x11], new Array<number>(20).fill(0));
  const hear = () => route.onPacket?.(undefined, announce, none, none, 0);
  hear();
  assert.deepEqual(faults, [], 'another one came or went');
  native.setInterfaces([{ name: 'wg0' }, { name: 'em0' }]);
  const address = join([16, 0, 5, 0xd], new Array<number>(12).fill(0));
  route.onPacket?.(undefined, address, none, none, 0);
  hear();
  assert.deepEqual(
    faults.map(({ code }) => code),
    ['ERR_CAPTURE_LOST'],
  );
  await assert.rejects(socket.send(echo('request'), '10.99.0.2'), (error) => hasCode(error, 'ERR_CLOSED'));
  assert.deepEqual(native.openOnes(), []);
});
