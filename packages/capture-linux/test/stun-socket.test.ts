/** What the raw UDP socket hears on a real network, while links and addresses change under its feet. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { type Endpoint, hasCode, type StunMessageEvent } from '@stunmesh/core/api';
import { BYTE_ORDER } from '@stunmesh/core/capture-kit';
import { createInbox } from '@stunmesh/core/conformance';
import { createStunFilter, DROP_ALL, encodeBpf, PACKET_LAYOUTS, parseIpv4, parseUdp } from '@stunmesh/core/net';
import { loadNative } from '#src/native.js';
import { inNamespace, nft, run } from './namespace.js';
import { ANYWHERE, four, options, PORT, response, six, useStunLab } from './stun-lab.js';

if (inNamespace(import.meta.url)) {
  const lab = useStunLab();

  test('a reply reaches both WireGuard and the capture', options, async () => {
    await using socket = await lab.open();
    await socket.send(Uint8Array.of(0, 1, 0, 0), four('192.0.2.2'));
    const { from } = await lab.far.received();
    assert.deepEqual(from, four('192.0.2.1', PORT));
    const reachedOwner = once(lab.owner, 'message');
    await lab.far.send(four('192.0.2.2'), response(1), from);
    assert.deepEqual(Uint8Array.from((await reachedOwner)[0] as Buffer), response(1));
    const event = await lab.heardAt(0);
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
        const here = once(lab.owner, 'message');
        await lab.far.send(four('192.0.2.2'), response(tag), four('192.0.2.1', PORT));
        await here;
      };
      for (const tag of [1, 2, 3]) await arrive(tag);
      native.attachFilter(socket, encodeBpf(DROP_ALL, BYTE_ORDER));
      assert.equal(native.drain(socket), 3, 'unfiltered, the socket heard them');
      await arrive(4);
      const filter = createStunFilter(PACKET_LAYOUTS['linux-raw4'], { localPort: PORT });
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

  test("F9 what the firewall keeps from WireGuard's port is not heard here either", options, async () => {
    await using _socket = await lab.open();
    nft(`table inet t { chain in { type filter hook input priority 0; udp dport ${PORT} drop; }; }`);
    await lab.far.send(four('192.0.2.2'), response(1), four('192.0.2.1', PORT));
    // Through the same link after it, and heard: so the first one has been dropped by now.
    await lab.far.run('ping -q -c1 -W2 192.0.2.1');
    nft('flush ruleset');
    await lab.far.send(four('192.0.2.2'), response(2), four('192.0.2.1', PORT));
    assert.equal((await lab.heardAt(0)).message[8], 2);
  });

  test('links that go down and come up, or lose their address, do not break an open socket', options, async () => {
    await using socket = await lab.open();
    run('ip link set wan down');
    await assert.rejects(socket.send(Uint8Array.of(1), four('192.0.2.2')), (e) =>
      hasCode(e, 'ERR_CAPTURE_UNREACHABLE'),
    );
    run('ip link set wan up');
    // IPv6 addresses go with the link.
    run('ip address add 2001:db8:1::1/64 dev wan nodad');
    lab.route();
    await socket.send(Uint8Array.of(3), four('192.0.2.2'));
    assert.equal((await lab.far.received()).message[0], 3);
    await lab.far.send(four('192.0.2.2'), response(3), four('192.0.2.1', PORT));
    assert.equal((await lab.heardAt(0)).message[8], 3);
    run('ip address del 192.0.2.1/24 dev wan');
    run('ip address add 192.0.2.1/24 dev wan');
    lab.route();
    await lab.far.send(four('192.0.2.2'), response(4), four('192.0.2.1', PORT));
    assert.equal((await lab.heardAt(1)).message[8], 4);
  });

  test('a response that came in fragments is heard whole', options, async () => {
    for (const family of [4, 6] as const) {
      await using _socket = await lab.open({ family });
      const long = Uint8Array.from([...response(4), ...new Array<number>(3000).fill(8)]);
      const [from, to] =
        family === 4
          ? [four('192.0.2.2'), four('192.0.2.1', PORT)]
          : [six('2001:db8:1::2'), six('2001:db8:1::1', PORT)];
      await lab.far.send(from, long, to);
      assert.deepEqual((await lab.heardAt(0)).message, long);
    }
  });

  test('only the interfaces that were named are heard, and never the excluded one', options, async () => {
    const inboxes = [createInbox<StunMessageEvent>(5000), createInbox<StunMessageEvent>(5000)] as const;
    const [byWan, notAlt] = inboxes;
    await using _wan = await lab.open({ interfaces: ['wan'], onMessage: (event) => byWan.push(event) });
    await using _rest = await lab.open({ excludeDevice: 'alt', onMessage: (event) => notAlt.push(event) });
    await using _all = await lab.open();
    await lab.far.send(four('198.51.100.2'), response(1), four('198.51.100.1', PORT));
    await lab.far.send(four('192.0.2.2'), response(2), four('192.0.2.1', PORT));
    const both = [await lab.heardAt(0), await lab.heardAt(1)];
    assert.deepEqual(both.map((e) => e.interface).sort(), ['alt', 'wan']);
    for (const inbox of inboxes) {
      const event = await inbox.at(0, 'the message by wan');
      assert.equal(event.interface, 'wan');
      assert.equal(event.message[8], 2);
    }
  });

  test('link-local IPv6 works by its zone, and says which zone it heard from', options, async () => {
    await using socket = await lab.open({ family: 6 });
    await lab.far.run('ip address add fe80::2/64 dev wan nodad');
    run('ip address add fe80::1/64 dev wan nodad');
    const to: Endpoint = { ...six('fe80::2'), zone: 'wan' };
    await socket.send(Uint8Array.of(0x55, 0xaa), to);
    for (let seen = await lab.far.seen(); ; seen = await lab.far.seen()) {
      const datagram = seen.family === 6 ? parseUdp(seen.packet) : undefined;
      if (datagram?.payload[0] !== 0x55) continue;
      assert.equal(datagram.sourcePort, PORT);
      break;
    }
    await lab.far.listen('fe80::2%wan');
    await lab.far.send(six('fe80::2%wan'), response(6), six('fe80::1%wan', PORT));
    assert.deepEqual(await lab.heardAt(0), {
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
    await using socket = await lab.open();
    await assert.rejects(socket.send(new Uint8Array(65_528), ANYWHERE), (e) => hasCode(e, 'ERR_CAPTURE_SEND'));
    await assert.rejects(socket.send(Uint8Array.of(1), { ...ANYWHERE, address: 'nonsense' }), (e) =>
      hasCode(e, 'ERR_CAPTURE_SEND'),
    );
  });
}
