/** The raw UDP socket on a real network: two links to the far side, its rules and routes changed under the socket's feet. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { after, afterEach, before, test } from 'node:test';
import {
  type Endpoint,
  hasCode,
  type StunMessageEvent,
  type StunSocket,
  type StunSocketOptions,
} from '@stunmesh/core/api';
import { createInbox } from '@stunmesh/core/conformance';
import {
  createStunFilter,
  DROP_ALL,
  encodeBpf,
  internetChecksum,
  PACKET_LAYOUTS,
  parseAddress,
  parseIpv4,
  parseUdp,
  pseudoHeaderSum,
} from '@stunmesh/core/net';
import capture from '#src/index.js';
import { loadNative } from '#src/native.js';
import { BYTE_ORDER } from '#src/sockaddr.js';
import { cannotRun, type FarSide, inNamespace, nft, openFarSide, run } from './namespace.js';

const PORT = 51820;
const FAR_PORT = 3478;
const four = (address: string, port = FAR_PORT): Endpoint => ({ family: 4, address, port });
const six = (address: string, port = FAR_PORT): Endpoint => ({ family: 6, address, port });
/** Reachable by both links; the main table says wan. */
const ANYWHERE = four('203.0.113.1');
const ANYWHERE6 = six('2001:db8:99::1');
const options = { skip: cannotRun ?? false, timeout: 20_000 };

const response = (tag: number) => Uint8Array.of(1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ...new Array<number>(12).fill(tag));

if (inNamespace(import.meta.url)) {
  let far: FarSide;
  let owner: Socket;
  const heard: StunMessageEvent[] = [];
  let wake = () => {};

  before(async () => {
    if (cannotRun) return;
    far = await openFarSide(
      [
        { name: 'wan', near: ['192.0.2.1/24', '2001:db8:1::1/64'], far: ['192.0.2.2/24', '2001:db8:1::2/64'] },
        { name: 'alt', near: ['198.51.100.1/24', '2001:db8:2::1/64'], far: ['198.51.100.2/24', '2001:db8:2::2/64'] },
      ],
      FAR_PORT,
    );
    await far.listen(ANYWHERE.address);
    await far.listen(ANYWHERE6.address);
    route();
    owner = createSocket('udp6');
    owner.bind(PORT);
    await once(owner, 'listening');
  });
  after(async () => {
    owner?.close();
    await far?.[Symbol.asyncDispose]();
  });
  afterEach(() => {
    if (!cannotRun) nft('flush ruleset');
  });

  const route = () => {
    run('ip route replace default via 192.0.2.2');
    run('ip route replace default via 2001:db8:1::2');
  };

  const open = (more: Partial<StunSocketOptions> = {}): Promise<StunSocket> => {
    heard.length = 0;
    return capture.openStunSocket({
      family: 4,
      localPort: PORT,
      excludeDevice: 'wg0',
      firewallMark: 0,
      signal: new AbortController().signal,
      onMessage(event) {
        heard.push(event);
        wake();
      },
      onFault: (error) => assert.fail(error),
      ...more,
    });
  };
  const heardAt = async (index: number): Promise<StunMessageEvent> => {
    for (;;) {
      const event = heard[index];
      if (event) return event;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };

  test('a reply reaches both WireGuard and the capture', options, async () => {
    await using socket = await open();
    await socket.send(Uint8Array.of(0, 1, 0, 0), four('192.0.2.2'));
    const { from } = await far.received();
    assert.deepEqual(from, four('192.0.2.1', PORT));
    const reachedOwner = once(owner, 'message');
    await far.send(four('192.0.2.2'), response(1), from);
    assert.deepEqual(Uint8Array.from((await reachedOwner)[0] as Buffer), response(1));
    const event = await heardAt(0);
    assert.deepEqual(event, {
      message: response(1),
      from: four('192.0.2.2'),
      to: four('192.0.2.1', PORT),
      interface: 'wan',
    });
  });

  test('F4 what lay in the socket before its filter is gone, and what follows comes through', options, async () => {
    const native = loadNative();
    const { AF_INET, SOCK_RAW, IPPROTO_UDP } = native.constants;
    const socket = native.open(AF_INET, SOCK_RAW, IPPROTO_UDP);
    try {
      const arrive = async (tag: number) => {
        const here = once(owner, 'message');
        await far.send(four('192.0.2.2'), response(tag), four('192.0.2.1', PORT));
        await here;
      };
      for (const tag of [1, 2, 3]) await arrive(tag);
      native.attachFilter(socket, encodeBpf(DROP_ALL, BYTE_ORDER));
      assert.equal(native.drain(socket), 3, 'unfiltered, the socket heard them');
      await arrive(4);
      const filter = createStunFilter(PACKET_LAYOUTS['linux-raw4'], PORT);
      native.attachFilter(socket, encodeBpf(filter, BYTE_ORDER));
      assert.equal(native.receive(socket, 2048), undefined, 'dropped while the door was shut');
      await arrive(5);
      const packet = native.receive(socket, 2048);
      assert.deepEqual(packet && parseUdp(parseIpv4(packet)?.payload ?? packet)?.payload, response(5));
      assert.equal(native.receive(socket, 2048), undefined);
    } finally {
      native.close(socket);
    }
  });

  test(
    "F5 the probe takes the route of WireGuard's mark, and F6 its checksum covers that route's source",
    options,
    async () => {
      run('ip route add default via 198.51.100.2 table 100');
      run('ip rule add fwmark 0x51 lookup 100');
      run('ip route add default via 2001:db8:2::2 table 100');
      run('ip -6 rule add fwmark 0x51 lookup 100');
      try {
        for (const [mark, source, source6] of [
          [0, '192.0.2.1', '2001:db8:1::1'],
          [0x51, '198.51.100.1', '2001:db8:2::1'],
        ] as const) {
          await using socket = await open({ firewallMark: mark });
          await socket.send(Uint8Array.of(1, 2, 3), ANYWHERE);
          assert.deepEqual((await far.received()).from, four(source, PORT), `mark ${mark}`);
          await assertChecksum(4, source, ANYWHERE.address);
          await using socket6 = await open({ family: 6, firewallMark: mark });
          await socket6.send(Uint8Array.of(1, 2, 3), ANYWHERE6);
          assert.deepEqual((await far.received()).from, six(source6, PORT), `mark ${mark}`);
          await assertChecksum(6, source6, ANYWHERE6.address);
          assert.equal((await capture.routeTo?.({ to: ANYWHERE.address, firewallMark: mark }))?.source, source);
          assert.equal((await capture.routeTo?.({ to: ANYWHERE6.address, firewallMark: mark }))?.source, source6);
        }
      } finally {
        run('ip rule del fwmark 0x51');
        run('ip -6 rule del fwmark 0x51');
      }
    },
  );

  /** Looks at the packets that the far side's raw socket saw, up to the first of this family to this address. */
  const assertChecksum = async (family: 4 | 6, source: string, destination: string) => {
    for (;;) {
      const seen = await far.seen();
      const ip = seen.family === 4 ? parseIpv4(seen.packet) : undefined;
      const datagram = ip?.payload ?? seen.packet;
      if (seen.family !== family || parseUdp(datagram)?.sourcePort !== PORT) continue;
      if (ip && ip.destination !== destination) continue;
      if (ip) assert.equal(ip.source, source);
      assert.notEqual(parseUdp(datagram)?.checksum, 0, 'a checksum is there');
      const [from, to] = [parseAddress(source), parseAddress(destination)];
      assert.ok(from && to);
      assert.equal(
        internetChecksum(datagram, pseudoHeaderSum(from, to, 17, datagram.length)),
        0,
        `IPv${family} checksum`,
      );
      return;
    }
  };

  test(
    'F6 the checksum on the wire is right for any payload, and follows a changed source address',
    options,
    async () => {
      await using socket = await open();
      const payloads = [
        new Uint8Array(0),
        Uint8Array.of(0),
        new Uint8Array(1400).fill(0xff),
        Uint8Array.of(255, 255, 255),
      ];
      for (const payload of payloads) {
        await socket.send(payload, ANYWHERE);
        await far.received();
        await assertChecksum(4, '192.0.2.1', ANYWHERE.address);
      }
      run('ip address add 192.0.2.77/24 dev wan');
      run('ip route replace default via 192.0.2.2 src 192.0.2.77');
      try {
        await socket.send(Uint8Array.of(1), ANYWHERE);
        assert.equal((await far.received()).from.address, '192.0.2.77');
        await assertChecksum(4, '192.0.2.77', ANYWHERE.address);
      } finally {
        run('ip address del 192.0.2.77/24 dev wan');
        route();
      }
    },
  );

  for (const verdict of ['drop', 'reject'])
    test(`F6b an OUTPUT rule that says ${verdict} is named as the firewall's doing`, options, async () => {
      await using socket = await open();
      await using socket6 = await open({ family: 6 });
      nft(`table inet t { chain out { type filter hook output priority 0; udp dport ${FAR_PORT} ${verdict}; }; }`);
      for (const [s, to] of [
        [socket, ANYWHERE],
        [socket6, ANYWHERE6],
      ] as const)
        await assert.rejects(s.send(Uint8Array.of(1), to), (error) => {
          assert.ok(hasCode(error, 'ERR_CAPTURE_BLOCKED'), String(error));
          assert.match(String(error), /firewall.*OUTPUT/);
          return true;
        });
      nft('flush ruleset');
      await socket.send(Uint8Array.of(7), ANYWHERE);
      assert.equal((await far.received()).message[0], 7);
      await socket6.send(Uint8Array.of(8), ANYWHERE6);
      assert.equal((await far.received()).message[0], 8);
    });

  test('routes that forbid or lead nowhere are told apart, and the socket lives on', options, async () => {
    await using socket = await open();
    await using socket6 = await open({ family: 6 });
    const kinds = [
      ['prohibit', 'ERR_CAPTURE_BLOCKED'],
      ['unreachable', 'ERR_CAPTURE_UNREACHABLE'],
      ['blackhole', 'ERR_CAPTURE_UNREACHABLE'],
    ] as const;
    for (const [kind, code] of kinds) {
      run(`ip route add ${kind} 203.0.113.66`);
      run(`ip route add ${kind} 2001:db8:66::1`);
      await assert.rejects(
        socket.send(Uint8Array.of(1), four('203.0.113.66')),
        (e) => hasCode(e, code),
        `IPv4 ${kind}`,
      );
      await assert.rejects(
        socket6.send(Uint8Array.of(1), six('2001:db8:66::1')),
        (e) => hasCode(e, code),
        `IPv6 ${kind}`,
      );
      assert.equal(await capture.routeTo?.({ to: '203.0.113.66', firewallMark: 0 }), undefined);
      assert.equal(await capture.routeTo?.({ to: '2001:db8:66::1', firewallMark: 0 }), undefined);
      run(`ip route del ${kind} 203.0.113.66`);
      run(`ip route del ${kind} 2001:db8:66::1`);
    }
    await socket.send(Uint8Array.of(9), ANYWHERE);
    assert.equal((await far.received()).message[0], 9);
  });

  test("F9 what the firewall keeps from WireGuard's port is not heard here either", options, async () => {
    await using _socket = await open();
    nft(`table inet t { chain in { type filter hook input priority 0; udp dport ${PORT} drop; }; }`);
    await far.send(four('192.0.2.2'), response(1), four('192.0.2.1', PORT));
    // Through the same link after it, and heard: so the first one has been dropped by now.
    await far.run('ping -q -c1 -W2 192.0.2.1');
    nft('flush ruleset');
    await far.send(four('192.0.2.2'), response(2), four('192.0.2.1', PORT));
    assert.equal((await heardAt(0)).message[8], 2);
  });

  test('links that go down and come up, or lose their address, do not break an open socket', options, async () => {
    await using socket = await open();
    run('ip link set wan down');
    await assert.rejects(socket.send(Uint8Array.of(1), four('192.0.2.2')), (e) =>
      hasCode(e, 'ERR_CAPTURE_UNREACHABLE'),
    );
    run('ip link set wan up');
    // IPv6 addresses go with the link.
    run('ip address add 2001:db8:1::1/64 dev wan nodad');
    route();
    await socket.send(Uint8Array.of(3), four('192.0.2.2'));
    assert.equal((await far.received()).message[0], 3);
    await far.send(four('192.0.2.2'), response(3), four('192.0.2.1', PORT));
    assert.equal((await heardAt(0)).message[8], 3);
    run('ip address del 192.0.2.1/24 dev wan');
    run('ip address add 192.0.2.1/24 dev wan');
    route();
    await far.send(four('192.0.2.2'), response(4), four('192.0.2.1', PORT));
    assert.equal((await heardAt(1)).message[8], 4);
  });

  test('only the interfaces that were named are heard, and never the excluded one', options, async () => {
    const inboxes = [createInbox<StunMessageEvent>(5000), createInbox<StunMessageEvent>(5000)] as const;
    const [byWan, notAlt] = inboxes;
    await using _wan = await open({ interfaces: ['wan'], onMessage: (event) => byWan.push(event) });
    await using _rest = await open({ excludeDevice: 'alt', onMessage: (event) => notAlt.push(event) });
    await using _all = await open();
    await far.send(four('198.51.100.2'), response(1), four('198.51.100.1', PORT));
    await far.send(four('192.0.2.2'), response(2), four('192.0.2.1', PORT));
    const both = [await heardAt(0), await heardAt(1)];
    assert.deepEqual(both.map((e) => e.interface).sort(), ['alt', 'wan']);
    for (const inbox of inboxes) {
      const event = await inbox.at(0, 'the message by wan');
      assert.equal(event.interface, 'wan');
      assert.equal(event.message[8], 2);
    }
  });

  test('link-local IPv6 works by its zone, and says which zone it heard from', options, async () => {
    await using socket = await open({ family: 6 });
    await far.run('ip address add fe80::2/64 dev wan nodad');
    run('ip address add fe80::1/64 dev wan nodad');
    const to: Endpoint = { ...six('fe80::2', FAR_PORT), zone: 'wan' };
    await socket.send(Uint8Array.of(0x55, 0xaa), to);
    for (let seen = await far.seen(); ; seen = await far.seen()) {
      const datagram = seen.family === 6 ? parseUdp(seen.packet) : undefined;
      if (datagram?.payload[0] !== 0x55) continue;
      assert.equal(datagram.sourcePort, PORT);
      break;
    }
    await far.listen('fe80::2%wan');
    await far.send(six('fe80::2%wan'), response(6), six('fe80::1%wan', PORT));
    assert.deepEqual(await heardAt(0), {
      message: response(6),
      from: to,
      to: six('fe80::1', PORT),
      interface: 'wan',
    });
    await assert.rejects(socket.send(Uint8Array.of(5), { ...to, zone: 'nowhere' }), (e) =>
      hasCode(e, 'ERR_CAPTURE_UNREACHABLE'),
    );
  });

  test('a message that fits no datagram is refused', options, async () => {
    await using socket = await open();
    await assert.rejects(socket.send(new Uint8Array(65_528), ANYWHERE), (e) => hasCode(e, 'ERR_CAPTURE_SEND'));
    await assert.rejects(socket.send(Uint8Array.of(1), { ...ANYWHERE, address: 'nonsense' }), (e) =>
      hasCode(e, 'ERR_CAPTURE_SEND'),
    );
  });
}
