/** IPv6 through stateful firewalls, both families at once, and hosts behind two NATs. */
import assert from 'node:assert/strict';
import type { NatKind } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';

const STUN6 = ['[2001:db8:ffff::1]:3478', '[2001:db8:ffff::2]:3478'];
const STUN_BOTH = ['203.0.113.1:3478', '203.0.113.2:3478', ...STUN6];

labTest(
  'IPv6 alone: two hosts behind stateful firewalls connect',
  { sides: { a: { ipv4: false, ipv6: 'stateful' }, b: { ipv4: false, ipv6: 'stateful' } }, coturn: [1, 2] },
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    await startAll([a, b], { protocol: 'ipv6', stun: STUN6 });
    await expectTunnel(a, b, undefined, 6);
    const device = await a.daemons[0]?.device();
    assert.deepEqual(device?.reflexive, { ipv6: `[${a.plan.hostAddress6}]:51820` });
    assert.equal(device?.peers[0]?.endpoint, `[${b.plan.hostAddress6}]:51820`);
  },
);

const DUAL = { a: { ipv6: 'stateful' as const }, b: { ipv6: 'stateful' as const } };
for (const [protocol, wanted] of [
  ['prefer_ipv4', 'ipv4'],
  ['prefer_ipv6', 'ipv6'],
] as const) {
  labTest(
    `dual stack, ${protocol}: both families are published, the tunnel uses ${wanted}`,
    { sides: DUAL, coturn: [1, 2] },
    async (lab) => {
      const [a, b] = [lab.host('a'), lab.host('b')];
      await startAll([a, b], { protocol: 'dualstack', peerProtocol: protocol, stun: STUN_BOTH });
      await expectTunnel(a, b);
      const both = { ipv4: `${a.publicAddress}:51820`, ipv6: `[${a.plan.hostAddress6}]:51820` };
      assert.deepEqual((await a.daemons[0]?.device())?.reflexive, both);
      const peer = await b.daemons[0]?.peer('a');
      assert.equal(peer?.record?.ipv4, both.ipv4);
      assert.equal(peer?.record?.ipv6, both.ipv6);
      assert.equal(peer?.endpoint, both[wanted]);
    },
  );
}

labTest(
  'dual stack: where IPv4 cannot connect, IPv6 does, though IPv4 is preferred',
  {
    sides: { a: { nats: ['symmetric'], ipv6: 'stateful' }, b: { nats: ['port-restricted'], ipv6: 'stateful' } },
    coturn: [1, 2],
  },
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    await startAll([a, b], { protocol: 'dualstack', stun: STUN_BOTH });
    await expectTunnel(a, b, 40_000);
    assert.match((await a.daemons[0]?.peer('b'))?.endpoint ?? '', /^\[2001:db8:2:/);
  },
);

labTest(
  'dual stack: a host without working IPv6 still publishes and connects by IPv4',
  { sides: { a: {}, b: { ipv6: 'stateful' } }, coturn: [1, 2] },
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    await startAll([a, b], { protocol: 'dualstack', stun: STUN_BOTH });
    await expectTunnel(a, b);
    assert.deepEqual((await a.daemons[0]?.device())?.reflexive, { ipv4: `${a.publicAddress}:51820` });
  },
);

const DOUBLE: readonly (readonly [readonly NatKind[], readonly NatKind[]])[] = [
  [
    ['port-restricted', 'port-restricted'],
    ['port-restricted', 'port-restricted'],
  ],
  [
    ['restricted', 'port-restricted'],
    ['port-restricted', 'full'],
  ],
  [
    ['port-restricted', 'symmetric'],
    ['full', 'full'],
  ],
];
for (const [a, b] of DOUBLE) {
  labTest(
    `both hosts behind a carrier's second NAT connect: ${a.join(' in ')}, ${b.join(' in ')}`,
    { sides: { a: { nats: a }, b: { nats: b } }, coturn: [1, 2] },
    async (lab) => {
      const [one, two] = [lab.host('a'), lab.host('b')];
      await startAll([one, two]);
      await expectTunnel(one, two);
      for (const host of [one, two]) {
        assert.match(
          (await host.daemons[0]?.device())?.reflexive.ipv4 ?? '',
          new RegExp(`^${host.publicAddress.replaceAll('.', '\\.')}:`),
        );
      }
    },
  );
}
