/** Proves the laboratory's NATs by an independent UDP probe: each kind maps and filters as RFC 4787 names it. */
import assert from 'node:assert/strict';
import { BLACKHOLE_ADDRESS, type Lab, type NatKind, PUBLIC_ADDRESSES, PUBLIC_ADDRESSES6 } from '../index.js';
import { labTest } from '../steps/lab-test.js';
import { type Behaviour, observeNat, Probe } from '../steps/probe.js';

const EI = 'endpoint-independent';
const AD = 'address-dependent';
const APD = 'address-and-port-dependent';
const SERVERS = [PUBLIC_ADDRESSES[0] ?? '', PUBLIC_ADDRESSES[1] ?? ''] as const;

function probes(lab: Lab): { readonly inside: Probe; readonly outside: Probe } {
  return {
    inside: new Probe((argv) => lab.host('a').spawn(argv)),
    outside: new Probe((argv) => lab.spawn(lab.publicNamespace, argv)),
  };
}

function one(nats: readonly NatKind[], ipv6?: 'stateful' | 'open') {
  return { sides: { a: { nats, wireguard: false as const, ...(ipv6 !== undefined && { ipv6 }) } } };
}

const CASES: readonly {
  readonly nats: readonly NatKind[];
  readonly mapping: Behaviour;
  readonly filtering: Behaviour;
  readonly port?: number;
}[] = [
  { nats: ['none'], mapping: EI, filtering: EI, port: 40001 },
  { nats: ['full'], mapping: EI, filtering: EI, port: 30001 },
  { nats: ['restricted'], mapping: EI, filtering: AD, port: 30001 },
  { nats: ['port-restricted'], mapping: EI, filtering: APD, port: 40001 },
  { nats: ['accept'], mapping: EI, filtering: APD, port: 40001 },
  { nats: ['symmetric'], mapping: APD, filtering: APD },
  { nats: ['full', 'full'], mapping: EI, filtering: EI, port: 20001 },
  { nats: ['restricted', 'full'], mapping: EI, filtering: AD, port: 20001 },
  { nats: ['port-restricted', 'full'], mapping: EI, filtering: APD, port: 30001 },
  { nats: ['port-restricted', 'port-restricted'], mapping: EI, filtering: APD, port: 40001 },
  { nats: ['port-restricted', 'symmetric'], mapping: APD, filtering: APD },
  { nats: ['symmetric', 'port-restricted'], mapping: APD, filtering: APD },
  { nats: ['full', 'symmetric'], mapping: APD, filtering: APD },
];

for (const { nats, mapping, filtering, port } of CASES) {
  const name = nats.join(' behind ');
  labTest(`a NAT of kind ${name} has ${mapping} mapping and ${filtering} filtering`, one(nats), async (lab) => {
    const { inside, outside } = probes(lab);
    const host = lab.host('a');
    const seen = await observeNat(inside, outside, host.plan.hostAddress, SERVERS);
    assert.deepEqual({ mapping: seen.mapping, filtering: seen.filtering }, { mapping, filtering });
    assert.equal(seen.mapped.address, nats[0] === 'none' ? host.plan.hostAddress : host.publicAddress);
    if (port !== undefined) assert.equal(seen.mapped.port, port);
  });
}

for (const [ipv6, filtering] of [
  ['stateful', APD],
  ['open', EI],
] as const) {
  for (const nats of [['port-restricted'], ['port-restricted', 'port-restricted']] as const) {
    labTest(
      `IPv6 behind ${nats.length} ${ipv6} router(s) is not translated and filters ${filtering}`,
      one(nats, ipv6),
      async (lab) => {
        const { inside, outside } = probes(lab);
        const { hostAddress6 } = lab.host('a').plan;
        const servers = [PUBLIC_ADDRESSES6[0] ?? '', PUBLIC_ADDRESSES6[1] ?? ''] as const;
        const seen = await observeNat(inside, outside, hostAddress6, servers);
        assert.deepEqual(seen, { mapping: EI, filtering, mapped: { address: hostAddress6, port: 40001 } });
      },
    );
  }
}

for (const kind of ['full', 'restricted', 'port-restricted'] as const) {
  labTest(`an early packet from outside does not spoil the mapping of a ${kind} NAT`, one([kind]), async (lab) => {
    const { inside, outside } = probes(lab);
    const host = lab.host('a');
    const port = kind === 'port-restricted' ? 40001 : 30001;
    const local = { address: host.plan.hostAddress, port: 40001 };
    const server = { address: SERVERS[0], port: 5001 };
    await outside.bind(server);
    await inside.bind(local);
    await outside.send(server, { address: host.publicAddress, port }, 'early');
    await outside.send(server, { address: host.publicAddress, port: 40001 }, 'early');
    await inside.send(local, server, 'out');
    assert.deepEqual((await outside.receive('out')).from, { address: host.publicAddress, port });
    await outside.send(server, { address: host.publicAddress, port }, 'back');
    await inside.receive('back');
    assert.equal(inside.has('early'), kind === 'full');
  });
}

labTest('an early packet from outside takes the port of an accept NAT away', one(['accept']), async (lab) => {
  const { inside, outside } = probes(lab);
  const host = lab.host('a');
  const local = { address: host.plan.hostAddress, port: 40001 };
  const [early, other] = SERVERS.map((address) => ({ address, port: 5001 }));
  assert.ok(early && other);
  await outside.bind(early, other);
  await inside.bind(local);
  await inside.send(local, other, 'to another');
  assert.equal((await outside.receive('to another')).from.port, 40001);
  await outside.send(early, { address: host.publicAddress, port: 40001 }, 'early');
  await inside.send(local, early, 'to the early one');
  assert.notEqual((await outside.receive('to the early one')).from.port, 40001);
  assert.equal(inside.has('early'), false);
});

for (const kind of ['full', 'port-restricted', 'symmetric'] as const) {
  labTest(`a moved ${kind} NAT translates to its new address alone`, one([kind]), async (lab) => {
    const { inside, outside } = probes(lab);
    const host = lab.host('a');
    const local = { address: host.plan.hostAddress, port: 40001 };
    const server = { address: SERVERS[0], port: 5001 };
    await outside.bind(server);
    await inside.bind(local);
    await inside.send(local, server, 'before');
    const before = (await outside.receive('before')).from;
    assert.equal(await host.move(), host.publicAddress);
    await inside.send(local, server, 'after');
    const after = (await outside.receive('after')).from;
    assert.notEqual(after.address, before.address);
    assert.equal(after.address, host.publicAddress);
    await outside.send(server, before, 'to the old address');
    await outside.send(server, after, 'to the new address');
    await inside.receive('to the new address');
    assert.equal(inside.has('to the old address'), false);
  });
}

labTest(
  'flushed routers forget their holes, blocked ports let nothing pass until unblocked',
  one(['port-restricted']),
  async (lab) => {
    const { inside, outside } = probes(lab);
    const host = lab.host('a');
    const local = { address: host.plan.hostAddress, port: 40001 };
    const server = { address: SERVERS[0], port: 5001 };
    const other = { address: SERVERS[0], port: 5002 };
    await outside.bind(server, other);
    await inside.bind(local);
    await inside.send(local, server, 'hole');
    const hole = (await outside.receive('hole')).from;
    await host.flushConntrack();
    await outside.send(server, hole, 'through the forgotten hole');
    await inside.send(local, server, 'again');
    await outside.receive('again');
    await outside.send(server, hole, 'through the new hole');
    await inside.receive('through the new hole');
    assert.equal(inside.has('through the forgotten hole'), false);
    await host.blockUdp(5001);
    await inside.send(local, server, 'blocked');
    await inside.send(local, other, 'not blocked');
    await outside.receive('not blocked');
    assert.equal(outside.has('blocked'), false);
    await host.unblockUdp(5001);
    await inside.send(local, server, 'unblocked');
    await outside.receive('unblocked');
    await host.blockUdp(5001, 'host');
    assert.equal(await inside.send(local, server, 'refused'), 'EPERM');
  },
);

labTest('the blackhole address answers nothing, not even by ICMP', one(['none']), async (lab) => {
  const { inside, outside } = probes(lab);
  const local = { address: lab.host('a').plan.hostAddress, port: 40001 };
  const server = { address: SERVERS[0], port: 5001 };
  await outside.bind(server);
  await inside.bind(local);
  await using count = await lab.countPackets(lab.host('a').namespace, 'eth0', `host ${BLACKHOLE_ADDRESS} or icmp`);
  await inside.send(local, { address: BLACKHOLE_ADDRESS, port: 3478 }, 'into the dark');
  await inside.send(local, server, 'out');
  await outside.receive('out');
  await outside.send(server, local, 'back');
  await inside.receive('back');
  assert.equal(count.lines().filter((line) => line.includes('ICMP')).length, 0);
});
