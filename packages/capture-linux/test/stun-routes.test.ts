/** By which way a probe leaves: WireGuard's routes, the right checksum for their source, and the names of what is in the way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '@stunmesh/core/api';
import { internetChecksum, parseAddress, parseIpv4, parseUdp, pseudoHeaderSum } from '@stunmesh/core/net';
import capture from '#src/index.js';
import { inNamespace, nft, run } from './namespace.js';
import { ANYWHERE, ANYWHERE6, FAR_PORT, four, options, PORT, six, useStunLab } from './stun-lab.js';

if (inNamespace(import.meta.url)) {
  const lab = useStunLab();

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
          await using socket = await lab.open({ firewallMark: mark });
          await socket.send(Uint8Array.of(1, 2, 3), ANYWHERE);
          assert.deepEqual((await lab.far.received()).from, four(source, PORT), `mark ${mark}`);
          await assertChecksum(4, source, ANYWHERE.address);
          await using socket6 = await lab.open({ family: 6, firewallMark: mark });
          await socket6.send(Uint8Array.of(1, 2, 3), ANYWHERE6);
          assert.deepEqual((await lab.far.received()).from, six(source6, PORT), `mark ${mark}`);
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
      const seen = await lab.far.seen();
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
      await using socket = await lab.open();
      const payloads = [
        new Uint8Array(0),
        Uint8Array.of(0),
        new Uint8Array(1400).fill(0xff),
        Uint8Array.of(255, 255, 255),
      ];
      for (const payload of payloads) {
        await socket.send(payload, ANYWHERE);
        await lab.far.received();
        await assertChecksum(4, '192.0.2.1', ANYWHERE.address);
      }
      run('ip address add 192.0.2.77/24 dev wan');
      run('ip route replace default via 192.0.2.2 src 192.0.2.77');
      try {
        await socket.send(Uint8Array.of(1), ANYWHERE);
        assert.equal((await lab.far.received()).from.address, '192.0.2.77');
        await assertChecksum(4, '192.0.2.77', ANYWHERE.address);
      } finally {
        run('ip address del 192.0.2.77/24 dev wan');
        lab.route();
      }
    },
  );

  for (const verdict of ['drop', 'reject'])
    test(`F6b an OUTPUT rule that says ${verdict} is named as the firewall's doing`, options, async () => {
      await using socket = await lab.open();
      await using socket6 = await lab.open({ family: 6 });
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
      assert.equal((await lab.far.received()).message[0], 7);
      await socket6.send(Uint8Array.of(8), ANYWHERE6);
      assert.equal((await lab.far.received()).message[0], 8);
    });

  test('routes that forbid or lead nowhere are told apart, and the socket lives on', options, async () => {
    await using socket = await lab.open();
    await using socket6 = await lab.open({ family: 6 });
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
    assert.equal((await lab.far.received()).message[0], 9);
  });
}
