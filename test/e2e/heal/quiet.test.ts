/** Healthy tunnels are left alone, whatever happens around them: nothing is written, nobody is suspected, no store is asked. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { type Host, type Lab, type LabSpec, must, sleep, until } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';
import { type Counting, healthyRefreshes, quietPeer, symmetricIdle } from './steps/counts.js';
import { keepEvents, pinging, settledPair, storeCalls, untouched, within } from './steps/healing.js';
import { NAT_MOVES_UNSEEN } from './steps/scenarios.js';

const PAIR: LabSpec = { sides: { a: {}, b: {} }, coturn: [1, 2] };
/** Without the look at the mapping every 30 s, so that every discovery has a cause. */
const UNCHECKED = { extra: { mapping_check: false } } as const;

/** All that is counted is none. */
async function expectNone(lab: Lab, counting: Counting): Promise<void> {
  for (const { what, value } of await counting.count(lab)) assert.equal(value, 0, what);
}

/** A few changes at a time: wireguard-go ends when its netlink buffer overflows, and on a busy machine that takes a hundred veths at once. */
async function ipInSteps(host: Host, changes: readonly (readonly string[])[]): Promise<void> {
  const steps = Array.from({ length: Math.ceil(changes.length / 5) }, (_, i) => changes.slice(i * 5, i * 5 + 5).flat());
  for (const lines of steps) {
    await must(host.namespace, ['ip', '-batch', '-'], { input: `${lines.join('\n')}\n`, timeoutMs: 60_000 });
    await sleep(50);
  }
}

// They wait more than they work; each has a laboratory of its own.
describe('tunnels that are well', { concurrency: 3 }, () => {
  for (const [name, counting] of [
    ['ten refreshes of a healthy pair write no endpoint, on either side', healthyRefreshes(10)],
    [
      "an idle pair, one side symmetric and its record changing five times: nothing is written, and the open side's first ping is answered",
      symmetricIdle(5),
    ],
  ] as const)
    labTest(`F16 ${name}`, counting.spec, (lab) => expectNone(lab, counting));

  labTest(
    'F13 F29 two peers of a device die while a third stays: it is not touched, and the dead ones share their discoveries',
    { sides: { a: {}, b: {}, c: {}, d: {} }, coturn: [1, 2] },
    async (lab) => {
      const [a, b, c, d] = [lab.host('a'), lab.host('b'), lab.host('c'), lab.host('d')];
      const [daemon] = await startAll([a, b, c, d], { ...pinging([a, b, c, d], '1s'), ...UNCHECKED });
      assert.ok(daemon);
      await Promise.all([expectTunnel(a, b), expectTunnel(a, c), expectTunnel(a, d)]);
      await sleep(1500);
      const before = await untouched(daemon, 'd');
      const discoveries = (await daemon.device()).discoveries;
      using log = await keepEvents(daemon);
      const pings = a.pingBurst(d, 120, 0.1);
      await Promise.all([b, c].map((host) => host.blockUdp(host.plan.listenPort)));
      await until(() => ['b', 'c'].every((name) => log.of('phase', name).some((event) => event['to'] === 'suspect')), {
        deadlineMs: 15_000,
        what: 'b and c to be suspect',
      });
      assert.deepEqual(await pings, { sent: 120, received: 120 });
      assert.deepEqual(await untouched(daemon, 'd'), before);
      assert.deepEqual(log.of('phase', 'd'), []);
      // At once, three 2 s apart, then 5 and 10 s: about ten seconds have room for six, with one more of the other failure.
      const more = (await daemon.device()).discoveries - discoveries;
      assert.ok(more >= 1 && more <= 7, `${more} discoveries`);
      await Promise.all([b, c].map((host) => host.unblockUdp(host.plan.listenPort)));
      await Promise.all([expectTunnel(a, b), expectTunnel(a, c)]);
      assert.deepEqual(await untouched(daemon, 'd'), before);
    },
  );

  labTest(
    'F27 a link that flaps twenty times in ten seconds costs a bounded number of discoveries',
    PAIR,
    async (lab) => {
      const { a, b, daemonA } = await settledPair(lab, UNCHECKED);
      const before = (await daemonA.device()).discoveries;
      const [router] = a.plan.routers;
      const flap = `for i in $(seq 20); do
    ip link set eth0 down; sleep 0.25; ip link set eth0 up; ip route replace default via ${router?.lanAddress}; sleep 0.25; done`;
      await must(a.namespace, ['sh', '-c', flap], { timeoutMs: 40_000 });
      await expectTunnel(a, b);
      const more = (await daemonA.device()).discoveries - before;
      assert.ok(more <= 12, `${more} discoveries`);
    },
  );

  labTest('F27 a hundred interfaces that come and go cause no discovery', PAIR, async (lab) => {
    const { a, b, daemonA } = await settledPair(lab, UNCHECKED);
    const before = await untouched(daemonA, 'b');
    const discoveries = (await daemonA.device()).discoveries;
    const calls = await storeCalls(daemonA);
    using log = await keepEvents(daemonA);
    const names = Array.from({ length: 100 }, (_, i) => i);
    const created = names.map((i) => [
      `link add c${i} type veth peer name d${i}`,
      `addr add 10.${i}.0.1/24 dev c${i}`,
      `link set c${i} up`,
      `link set d${i} up`,
    ]);
    const removed = names.map((i) => [`link del c${i}`]);
    // Nor does a tcpdump on the way out.
    await ipInSteps(a, [...created, ...removed, ['link set eth0 promisc on', 'link set eth0 promisc off']]);
    // Longer than the debouncing holds anything back.
    await sleep(4500);
    assert.equal((await daemonA.device()).discoveries, discoveries);
    assert.equal(await storeCalls(daemonA), calls);
    assert.deepEqual(await untouched(daemonA, 'b'), before);
    assert.deepEqual(log.of('network'), []);
    assert.deepEqual(await a.pingBurst(b, 10, 0.02), { sent: 10, received: 10 });
  });

  labTest(
    "F16 own keepalive 25, the other's 0, idle for 45 s: nobody is suspected, and no store is asked beyond the refresh",
    quietPeer(45_000).spec,
    (lab) => expectNone(lab, quietPeer(45_000)),
  );

  labTest(
    `${NAT_MOVES_UNSEEN.name}: within ${NAT_MOVES_UNSEEN.limitMs / 1000} s`,
    NAT_MOVES_UNSEEN.spec,
    async (lab) => {
      const { limitMs, name } = NAT_MOVES_UNSEEN;
      within(await NAT_MOVES_UNSEEN.measure(lab, limitMs), limitMs, name);
    },
  );
});
