/** Proves what lies between the laboratory's sides: routed hops, long ways, families that break, and NATs that move behind them. */
import assert from 'node:assert/strict';
import { type Host, type Lab, must, PUBLIC_ADDRESSES, PUBLIC_ADDRESSES6, until } from '../index.js';
import { cutFamily } from '../steps/cut.js';
import { labTest } from '../steps/lab-test.js';
import { type Address, Probe } from '../steps/probe.js';

const OPEN = { nats: ['none'], wireguard: false } as const;
const BEHIND = { wireguard: false } as const;
const OPEN6 = { ...OPEN, ipv6: 'open' } as const;
const SERVER = PUBLIC_ADDRESSES[0] ?? '';
const SERVER6 = PUBLIC_ADDRESSES6[0] ?? '';

/** A probe on a host's own address. */
async function listen(host: Host, port = 40001): Promise<{ readonly probe: Probe; readonly at: Address }> {
  const probe = new Probe((argv) => host.spawn(argv));
  const at = { address: host.plan.hostAddress, port };
  await probe.bind(at);
  return { probe, at };
}

/** Milliseconds, the best of three. */
async function roundTrip(host: Host, address: string): Promise<number> {
  const said = await must(host.namespace, ['ping', '-n', '-c', '3', '-i', '0.1', '-W', '1', address]);
  return Math.min(...[...said.matchAll(/time=([\d.]+) ms/g)].map((match) => Number(match[1])));
}

/** Whether a ping of each family passes. */
async function passing(a: Host, b: Host): Promise<{ readonly ipv4: boolean; readonly ipv6: boolean }> {
  const passes = async (address: string) => (await a.exec(['ping', '-n', '-c', '1', '-W', '0.3', address])).code === 0;
  const [ipv4, ipv6] = await Promise.all([passes(b.plan.hostAddress), passes(b.plan.hostAddress6)]);
  return { ipv4, ipv6 };
}

labTest(
  'two routed hops lie between the NATs: a TTL of three reaches no router of the peer, four its router, five its host',
  { sides: { a: BEHIND, b: { ...BEHIND, nats: ['full'] } }, routed: true },
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const [here, there] = await Promise.all([listen(a), listen(b)]);
    await using atRouter = await lab.countPackets(b.plan.routers[0]?.namespace ?? '', 'wan', 'udp');
    for (const ttl of [3, 4, 5])
      await here.probe.send(here.at, { address: b.publicAddress, port: 30001 }, `ttl ${ttl}`, ttl);
    await there.probe.receive('ttl 5');
    assert.equal(there.probe.has('ttl 4'), false);
    await until(() => atRouter.lines().length === 2, { what: 'the last two to pass the router' });
  },
);

labTest(
  'on one segment a TTL of two reaches the other router itself',
  { sides: { a: BEHIND, b: BEHIND } },
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const here = await listen(a);
    await using atRouter = await lab.countPackets(b.plan.routers[0]?.namespace ?? '', 'wan', 'udp');
    for (const ttl of [1, 2])
      await here.probe.send(here.at, { address: b.publicAddress, port: 40001 }, `ttl ${ttl}`, ttl);
    await until(() => atRouter.lines().length === 1, { what: 'the second one' });
  },
);

labTest(
  'a delaying provider holds packets back for a round trip time of 40 ms, in both families, and half of it to servers',
  { sides: { a: OPEN6, b: OPEN6 }, routed: true, rttMs: 40 },
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    for (const [address, least] of [
      [b.plan.hostAddress, 40],
      [b.plan.hostAddress6, 40],
      [SERVER, 20],
      [SERVER6, 20],
    ] as const) {
      const took = await roundTrip(a, address);
      assert.ok(took >= least && took < least + 15, `${address}: ${took} ms`);
    }
  },
);

for (const routed of [false, true]) {
  labTest(
    `one family is cut on the way and mended${routed ? ', behind providers too' : ''}; servers answer all the while`,
    { sides: { a: OPEN6, b: OPEN6 }, routed },
    async (lab: Lab) => {
      const [a, b] = [lab.host('a'), lab.host('b')];
      await until(() => passing(a, b).then(({ ipv4, ipv6 }) => ipv4 && ipv6), { what: 'both families to pass' });
      for (const family of [4, 6] as const) {
        const mend = await cutFamily(lab, family);
        assert.deepEqual(await passing(a, b), { ipv4: family !== 4, ipv6: family !== 6 });
        assert.ok((await roundTrip(a, SERVER)) < 100 && (await roundTrip(a, SERVER6)) < 100);
        await mend();
      }
      assert.deepEqual(await passing(a, b), { ipv4: true, ipv6: true });
    },
  );
}

labTest(
  'a NAT behind a provider moves to its new address',
  { sides: { a: BEHIND, b: OPEN }, routed: true },
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const [here, there] = await Promise.all([listen(a), listen(b)]);
    await here.probe.send(here.at, there.at, 'before');
    const before = (await there.probe.receive('before')).from;
    assert.equal(before.address, a.publicAddress);
    await a.move();
    await here.probe.send(here.at, there.at, 'after');
    const after = (await there.probe.receive('after')).from;
    assert.notEqual(after.address, before.address);
    assert.equal(after.address, a.publicAddress);
    await there.probe.send(there.at, after, 'back');
    await here.probe.receive('back');
  },
);
