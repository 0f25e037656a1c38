/** STUN sockets on a FreeBSD that is played: which interfaces have a bpf device, what is sent, and a pf that rewrites ports. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, type StunMessageEvent, StunmeshError, type StunSocketOptions } from '@stunmesh/core/api';
import { decodeSockaddr } from '@stunmesh/core/capture-kit';
import { internetChecksum, parseAddress, parseUdp, pseudoHeaderSum } from '@stunmesh/core/net';
import { settle } from '@stunmesh/core/testing';
import { openBpfSource } from '#src/bpf-source.js';
import type { Native } from '#src/native.js';
import { createRouteMonitor } from '#src/route-monitor.js';
import { createSharedSources } from '#src/shared-sources.js';
import { openStunSocket } from '#src/stun-socket.js';
import { createFakeNative, type FakeInterface, FREEBSD, IFT, systemError } from './fake-native.js';
import { ethernet, ip4, ip6, PORT, stun, udp } from './frames.js';

const SERVER = { family: 4, address: '198.51.100.7', port: 3478 } as const;
const FIREWALL: readonly FakeInterface[] = [
  { name: 'em0', addresses: ['192.0.2.1', '2001:db8::1'] },
  { name: 'em1' },
  { name: 'lo0', type: IFT.loop },
  { name: 'wg0', groups: ['wg'] },
];

async function start(more: Partial<StunSocketOptions> = {}, constants: Native['constants'] = FREEBSD) {
  const native = createFakeNative(constants);
  native.setInterfaces(FIREWALL);
  native.source = '192.0.2.1';
  const heard: StunMessageEvent[] = [];
  const notices: StunmeshError[] = [];
  const faults: StunmeshError[] = [];
  const socket = await openStunSocket(
    {
      native,
      monitor: createRouteMonitor(native),
      openSource: createSharedSources(async (...args) => openBpfSource(native, args[0], args[1], args[2])),
      oneProcessPerSource: false,
    },
    {
      family: 4,
      localPort: PORT,
      excludeDevice: 'wg0',
      firewallMark: 0,
      signal: new AbortController().signal,
      onMessage: (event) => heard.push(event),
      onNotice: (notice) => notices.push(notice),
      onFault: (error) => faults.push(error),
      ...more,
    },
  );
  const devices = () => native.openOnes('bpf');
  const arrive = (name: string, frame: Uint8Array) => {
    for (const device of devices()) if (device.interfaceName === name) device.onFrame?.(undefined, frame, frame.length);
  };
  const names = () =>
    devices()
      .map(({ interfaceName }) => interfaceName)
      .sort();
  const raw = () => native.sockets.find(({ kind }) => kind !== 'bpf' && kind[1] === 3 && kind[2] === 17);
  const routeNews = (bytes: readonly number[]) => {
    const route = native.openOnes().find(({ kind }) => kind !== 'bpf' && kind[0] === 17);
    route?.onPacket?.(undefined, Uint8Array.from(bytes), new Uint8Array(), new Uint8Array(), 0);
  };
  return { native, socket, heard, notices, faults, devices, arrive, names, raw, routeNews };
}

/** RTM_IFANNOUNCE of an interface. */
const ANNOUNCE = [24, 0, 5, 0x11, ...new Array<number>(20).fill(0)];

test('F10 one bpf device an interface, and all of them closed with the socket', async () => {
  const { native, socket, names } = await start();
  assert.deepEqual(names(), ['em0', 'em1']);
  await socket[Symbol.asyncDispose]();
  await socket[Symbol.asyncDispose]();
  assert.deepEqual(native.openOnes(), []);
});

test('F10 an interface that is destroyed and made again, and one that appears, are captured on while the socket is open', async () => {
  const { native, devices, names, routeNews, heard, arrive, faults } = await start();
  const [em0] = devices();
  native.setInterfaces(FIREWALL.slice(1));
  em0?.onFrame?.(systemError('ENXIO', 'read'), new Uint8Array(), 0);
  await settle();
  assert.deepEqual(names(), ['em1']);
  native.setInterfaces([...FIREWALL, { name: 'ng0', type: IFT.ppp }]);
  routeNews(ANNOUNCE);
  await settle();
  assert.deepEqual(names(), ['em0', 'em1', 'ng0']);
  arrive('em0', ethernet(ip4(udp(stun()))));
  assert.equal(heard[0]?.interface, 'em0');
  native.setInterfaces(FIREWALL);
  routeNews(ANNOUNCE);
  await settle();
  assert.deepEqual(names(), ['em0', 'em1']);
  assert.deepEqual(faults, []);
});

test('F6 a probe leaves without an IP header, with a checksum over the source that the kernel chooses', async () => {
  const { socket, raw } = await start();
  await socket.send(stun(1), SERVER);
  const [sent] = raw()?.sent ?? [];
  assert.ok(sent);
  assert.equal(parseUdp(sent.packet)?.sourcePort, PORT);
  const [from, to] = [parseAddress('192.0.2.1'), parseAddress(SERVER.address)];
  assert.ok(from && to);
  assert.equal(internetChecksum(sent.packet, pseudoHeaderSum(from, to, 17, sent.packet.length)), 0);
  assert.equal(decodeSockaddr({ constants: FREEBSD }, sent.to)?.address, SERVER.address);
});

test('F5 the routing table and the mark of WireGuard are those of the probe', async () => {
  const { raw } = await start({ fib: 2, firewallMark: 0x51 });
  const options = raw()?.options.map(({ name, value }) => [name, value[0]]);
  assert.deepEqual(options, [
    [FREEBSD.SO_USER_COOKIE, 0x51],
    [FREEBSD.SO_SETFIB, 2],
  ]);
  const six = await start({ family: 6 });
  assert.deepEqual(
    six.raw()?.options.map(({ level, name, value }) => [level, name, value[0]]),
    [[FREEBSD.IPPROTO_IPV6, FREEBSD.IPV6_CHECKSUM, 6]],
  );
});

test('F1 only responses of the family to the port are heard, and the same one by two interfaces as two', async () => {
  const { arrive, heard } = await start();
  arrive('em0', ethernet(ip6(udp(stun()))));
  arrive('em0', ethernet(ip4(udp(stun(), PORT + 1))));
  arrive('em0', ethernet(ip4(udp(stun(0x0001)))));
  arrive('em0', new Uint8Array(10));
  assert.equal(heard.length, 0);
  for (const name of ['em0', 'em1']) arrive(name, ethernet(ip4(udp(stun()))));
  assert.deepEqual(
    heard.map((event) => event.interface),
    ['em0', 'em1'],
  );
  assert.deepEqual(heard[0]?.from, SERVER);
});

test("F9 a second attempt listens for the server's port, and says that pf rewrites ours", async () => {
  const { socket, devices, arrive, heard, notices } = await start();
  const answer = ethernet(ip4(udp(stun(0x0101, 9), 61_234)));
  await socket.send(stun(1, 9), SERVER);
  await socket.send(stun(1, 8), SERVER);
  await socket.send(stun(1, 9), { ...SERVER, port: 19_302 });
  await settle();
  assert.equal(devices().length, 2, 'other questions are no second attempt');
  arrive('em0', answer);
  assert.equal(heard.length, 0);

  await socket.send(stun(1, 9), SERVER);
  await settle();
  await socket.send(stun(1, 9), SERVER);
  await settle();
  assert.equal(devices().length, 4, 'once for each port');
  arrive('em0', answer);
  assert.equal(heard.length, 1);
  assert.deepEqual(heard[0], {
    message: stun(0x0101, 9),
    from: SERVER,
    to: { family: 4, address: '192.0.2.1', port: 61_234 },
    interface: 'em0',
    rewritten: true,
  });
  assert.ok(hasCode(notices[0], 'ERR_CAPTURE_REWRITTEN'));
  assert.match(
    String(notices[0]),
    /pf on this host rewrites the port.*"nat on em0 inet proto udp from any port 51820 to any -> \(em0\) static-port"/,
  );
});

test('F9 what the second attempt sees of the first is heard once, and errors to other ports never', async () => {
  const { socket, arrive, heard, notices } = await start();
  for (let i = 0; i < 2; i += 1) await socket.send(stun(1), SERVER);
  await settle();
  arrive('em0', ethernet(ip4(udp(stun()))));
  assert.equal(heard.length, 1);
  arrive('em0', ethernet(ip4(udp(stun(0x0111), 61_234))));
  assert.equal(heard.length, 1);
  arrive('em0', ethernet(ip4(udp(stun(0x0101, 99), 61_234))));
  assert.equal(heard.length, 1, 'the answer to somebody behind this host');
  assert.deepEqual(notices, []);
});

test('a socket that only sends opens no device, and one without any device that opens says why', async () => {
  const { native, socket } = await start({ sendOnly: true });
  assert.equal(native.openOnes().length, 1);
  await socket.send(Uint8Array.of(0), SERVER);
  await socket.send(Uint8Array.of(0), SERVER);
  assert.equal(native.openOnes('bpf').length, 0);

  const poor = createFakeNative();
  poor.setInterfaces(FIREWALL);
  poor.failures.set('openBpf', systemError('EACCES', 'open'));
  const opening = openStunSocket(
    {
      native: poor,
      monitor: createRouteMonitor(poor),
      openSource: async (...args) => openBpfSource(poor, args[0], args[1], args[2]),
      oneProcessPerSource: false,
    },
    {
      family: 4,
      localPort: PORT,
      excludeDevice: 'wg0',
      firewallMark: 0,
      signal: new AbortController().signal,
      onMessage() {},
      onFault() {},
    },
  );
  await assert.rejects(opening, (error) => hasCode(error, 'ERR_CAPTURE_PERMISSION'));
  assert.deepEqual(poor.openOnes(), []);
});

test('F6b what pf blocks, and what has no route, is named', async () => {
  const { native, socket } = await start();
  native.failures.set('send', systemError('EACCES', 'sendto'));
  await assert.rejects(socket.send(stun(1), SERVER), (error) => {
    assert.ok(hasCode(error, 'ERR_CAPTURE_BLOCKED'));
    return /block out/.test(String(error));
  });
  native.failures.clear();
  native.source = undefined;
  await assert.rejects(socket.send(stun(1), SERVER), (error) => hasCode(error, 'ERR_CAPTURE_UNREACHABLE'));
});

test('a route socket that fails ends the STUN socket with one fault', async () => {
  const { native, faults, socket } = await start();
  const route = native.openOnes().find(({ kind }) => kind !== 'bpf' && kind[0] === 17);
  const none = new Uint8Array();
  route?.onPacket?.(systemError('EIO', 'recvmsg'), none, none, none, 0);
  await settle();
  assert.deepEqual(
    faults.map(({ code }) => code),
    ['ERR_CAPTURE_LOST'],
  );
  await assert.rejects(socket.send(stun(1), SERVER), (error) => hasCode(error, 'ERR_CLOSED'));
  assert.deepEqual(native.openOnes(), []);
});

test('one interface that cannot be captured on is a notice where others can', async () => {
  const native = createFakeNative();
  native.setInterfaces(FIREWALL);
  const notices: StunmeshError[] = [];
  await using _socket = await openStunSocket(
    {
      native,
      monitor: createRouteMonitor(native),
      async openSource(name, match, listener) {
        if (name === 'em1') throw new StunmeshError('ERR_CAPTURE_OPEN', 'em1 is not listened to');
        return openBpfSource(native, name, match, listener);
      },
      oneProcessPerSource: false,
    },
    {
      family: 4,
      localPort: PORT,
      excludeDevice: 'wg0',
      firewallMark: 0,
      signal: new AbortController().signal,
      onMessage() {},
      onNotice: (notice) => notices.push(notice),
      onFault() {},
    },
  );
  assert.deepEqual(
    notices.map(({ message }) => message),
    ['em1 is not listened to'],
  );
});
