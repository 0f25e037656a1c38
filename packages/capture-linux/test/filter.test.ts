/** Between its birth and its filter a raw socket hears everything: what a capture makes of packets that come just then. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { NetworkEvent, StunMessageEvent } from '@stunmesh/core/api';
import { encodeSockaddr, linkDumpRequest, MESSAGE } from '@stunmesh/core/capture-kit';
import { createInbox, type Inbox } from '@stunmesh/core/conformance';
import { createDeviceWatch } from '#src/device-watch.js';
import { openEchoSocket } from '#src/echo-socket.js';
import { loadNative, type Native } from '#src/native.js';
import { openStunSocket } from '#src/stun-socket.js';
import { watchNetwork } from '#src/watch.js';
import { cannotRun, inNamespace, run } from './namespace.js';

const PORT = 51820;
const options = { skip: cannotRun ?? false, timeout: 120_000 };
const response = (tag: number) => Uint8Array.of(1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ...new Array<number>(12).fill(tag));

if (inNamespace(import.meta.url)) {
  before(() => {
    if (!cannotRun) run('ip link set lo up');
  });

  /** Sends over loopback; it is in every open socket's buffer when this returns. */
  const sendNow = (native: Native, message: Uint8Array, port = PORT) => {
    const { AF_INET, SOCK_DGRAM } = native.constants;
    const socket = native.open(AF_INET, SOCK_DGRAM, 0);
    native.send(socket, message, encodeSockaddr(native, '127.0.0.1', port));
    native.close(socket);
  };

  const open = (native: Native, inbox: Inbox<StunMessageEvent>) =>
    openStunSocket(native, {
      family: 4,
      localPort: PORT,
      excludeDevice: 'wg0',
      firewallMark: 0,
      signal: new AbortController().signal,
      onMessage: (event) => inbox.push(event),
      onFault: (error) => assert.fail(error),
    });

  test('F4 responses that came between socket and filter are thrown away', options, async () => {
    const real = loadNative();
    let filters = 0;
    const native: Native = {
      ...real,
      open(domain, type, protocol) {
        const socket = real.open(domain, type, protocol);
        for (let i = 0; i < 5; i += 1) sendNow(real, response(i));
        return socket;
      },
      attachFilter(socket, program) {
        real.attachFilter(socket, program);
        filters += 1;
        if (filters === 1) sendNow(real, response(6));
      },
    };
    const inbox = createInbox<StunMessageEvent>(5000);
    await using _socket = await open(native, inbox);
    sendNow(real, response(7));
    assert.equal((await inbox.at(0, 'a response after opening')).message[8], 7);
    assert.equal(filters, 2);
  });

  test('F4 user code checks once more what the filter checked', options, async () => {
    const real = loadNative();
    // A kernel whose filter lets everything through.
    const native: Native = { ...real, attachFilter: () => {} };
    const inbox = createInbox<StunMessageEvent>(5000);
    await using _socket = await open(native, inbox);
    sendNow(real, Uint8Array.of(0));
    sendNow(real, Uint8Array.of(0, 1, ...response(1).subarray(2)));
    sendNow(real, Uint8Array.of(4, 0, 0, 0, ...response(2).subarray(4)));
    sendNow(real, response(3), PORT + 1);
    sendNow(real, response(4));
    assert.equal((await inbox.at(0, 'the one response to this port')).message[8], 4);
  });

  test('F3 a response whose IP header has options is heard, by the length that its header says', options, async () => {
    const native = loadNative();
    const inbox = createInbox<StunMessageEvent>(5000);
    await using _socket = await open(native, inbox);
    const { AF_INET, SOCK_DGRAM, IPPROTO_IP } = native.constants;
    const sender = native.open(AF_INET, SOCK_DGRAM, 0);
    // IP_OPTIONS of ip(7): eleven times "no operation", and the end of the list.
    native.setOption(sender, IPPROTO_IP, 4, Uint8Array.of(...new Array<number>(11).fill(1), 0));
    native.send(sender, response(5), encodeSockaddr(native, '127.0.0.1', PORT));
    native.close(sender);
    assert.deepEqual((await inbox.at(0, 'the response')).message, response(5));
  });

  test('F30 echo replies that came before the socket was bound to its device are thrown away', options, async () => {
    run('ip link add wg7 type veth peer name wg7x');
    const real = loadNative();
    const { AF_INET, SOCK_RAW, IPPROTO_ICMP } = real.constants;
    // type 0, code 0, checksum, id 1, sequence
    const reply = (sequence: number) => Uint8Array.of(0, 0, 0xff, 0xfe - sequence, 0, 1, 0, sequence);
    const sendReply = (sequence: number) => {
      const socket = real.open(AF_INET, SOCK_RAW, IPPROTO_ICMP);
      real.send(socket, reply(sequence), encodeSockaddr(real, '127.0.0.1', 0));
      real.close(socket);
    };
    const native: Native = {
      ...real,
      open(domain, type, protocol) {
        const socket = real.open(domain, type, protocol);
        if (domain === AF_INET) for (let i = 1; i < 5; i += 1) sendReply(i);
        return socket;
      },
    };
    const heard = createInbox<{ device: string; sequence: number }>(5000);
    const openOn = (device: string) =>
      openEchoSocket(native, createDeviceWatch(native), {
        family: 4,
        device,
        onPacket: (icmp) => heard.push({ device, sequence: icmp[7] ?? -1 }),
        onFault: (error) => assert.fail(error),
      });
    await using _deaf = openOn('wg7');
    await using _lo = openOn('lo');
    sendReply(9);
    assert.deepEqual(await heard.at(0, 'the reply by lo'), { device: 'lo', sequence: 9 });
    assert.equal(heard.items.length, 1);
  });

  test('when a reader cannot be started the error says so, and nothing stays open', options, async () => {
    const real = loadNative();
    const openSockets = new Set<unknown>();
    const native: Native = {
      ...real,
      open(domain, type, protocol) {
        const socket = real.open(domain, type, protocol);
        openSockets.add(socket);
        return socket;
      },
      start() {
        throw Object.assign(new Error('pipe: EMFILE'), { code: 'EMFILE', errno: -24, syscall: 'pipe' });
      },
      close(socket) {
        openSockets.delete(socket);
        real.close(socket);
      },
    };
    const openings = [
      () => open(native, createInbox(1)),
      () => watchNetwork(native, { onChange: () => {}, onFault: () => {} }),
      () =>
        openEchoSocket(native, createDeviceWatch(native), {
          family: 6,
          device: 'lo',
          onPacket: () => {},
          onFault: () => {},
        }),
      // The watch over devices works, the echo socket's own reader does not.
      () =>
        openEchoSocket(native, createDeviceWatch(real), {
          family: 4,
          device: 'lo',
          onPacket: () => {},
          onFault: () => {},
        }),
    ];
    for (const opening of openings) {
      assert.throws(opening, { code: 'ERR_CAPTURE_OPEN', message: /EMFILE/ });
      assert.equal(openSockets.size, 0);
    }
  });

  test('news that another process sends to the netlink socket are not believed', options, async () => {
    const real = loadNative();
    let address = new Uint8Array();
    const native: Native = {
      ...real,
      start(socket, size, listener) {
        address = Uint8Array.from(real.localAddress(socket));
        real.start(socket, size, listener);
      },
    };
    const inbox = createInbox<NetworkEvent>(5000);
    await using _watch = watchNetwork(native, {
      onChange: (event) => inbox.push(event),
      onFault: (error) => assert.fail(error),
    });
    const { AF_NETLINK, SOCK_RAW, NETLINK_ROUTE } = native.constants;
    const forger = real.open(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    // Its groups are not an address to send to.
    address.fill(0, 8);
    const forged = linkDumpRequest();
    forged[4] = MESSAGE.newLink;
    forged[20] = 77;
    real.send(forger, forged, address);
    real.close(forger);
    run('ip link add real8 type bridge');
    assert.deepEqual(await inbox.at(0, 'the real event'), { kind: 'link', interface: 'real8' });
  });

  test('a reader that fails ends the socket with ERR_CAPTURE_LOST, once', options, async () => {
    const real = loadNative();
    let fail: ((error: Error) => void) | undefined;
    const native: Native = {
      ...real,
      start(socket, size, listener) {
        real.start(socket, size, listener);
        const none = new Uint8Array();
        fail = (error) =>
          listener(Object.assign(error, { code: 'EIO', errno: -5, syscall: 'recvmsg' }), none, none, none, 0);
      },
    };
    const faults: unknown[] = [];
    const socket = openStunSocket(native, {
      family: 4,
      localPort: PORT,
      excludeDevice: 'wg0',
      firewallMark: 0,
      signal: new AbortController().signal,
      onMessage: () => assert.fail('nothing was sent'),
      onFault: (error) => faults.push(error.code),
    });
    fail?.(new Error('disk on fire'));
    fail?.(new Error('again'));
    assert.deepEqual(faults, ['ERR_CAPTURE_LOST']);
    await assert.rejects(socket.send(Uint8Array.of(1), { family: 4, address: '127.0.0.1', port: 9 }), {
      code: 'ERR_CLOSED',
    });
    await socket[Symbol.asyncDispose]();
  });
}
