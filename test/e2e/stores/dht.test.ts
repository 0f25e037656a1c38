/** Pairs that share nothing but the DHT: thirty real nodes on the internet of the laboratory. */
import assert from 'node:assert/strict';
import { type DaemonOptions, type Host, type Lab, type LabSpec, sleep, startDht, startRedis } from '../lab/index.js';
import { startNames, takeOver, withNameServer } from '../lab/steps/full-tunnel.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';

/** Port-restricted NATs. */
const PAIR: LabSpec = { sides: { a: {}, b: {} }, coturn: [1, 2] };
/** The claim is 8 s; a loaded machine gets twice that. */
const LIMIT_MS = 16_000;
/** The claim is 12 s. */
const ROUGH_LIMIT_MS = 24_000;

type Plugins = NonNullable<DaemonOptions['plugins']>;

/** All peers use all of these stores. */
function using(plugins: Plugins): DaemonOptions {
  const plugin = Object.keys(plugins);
  return { plugins, peerOverrides: { a: { plugin }, b: { plugin } } };
}

const pair = (lab: Lab): [Host, Host] => [lab.host('a'), lab.host('b')];

async function expectFirstPing(a: Host, b: Host, startedAt: number, deadlineMs = LIMIT_MS): Promise<void> {
  const first = await a.firstPing(b, { startedAt, deadlineMs });
  assert.ok(first !== undefined, `no ping within ${deadlineMs} ms`);
}

labTest(
  'nothing but the DHT: two hosts that start together connect, and each store has its nodes',
  PAIR,
  async (lab) => {
    const { plugin } = await startDht(lab);
    const [a, b] = pair(lab);
    const startedAt = performance.now();
    const [daemon] = await startAll([a, b], using({ dht: plugin }));
    await expectFirstPing(a, b, startedAt);
    await expectTunnel(a, b);
    assert.doesNotMatch(daemon?.log() ?? '', /ERR_STORE|"level":"error"/);
  },
);

labTest('nothing but the DHT: a host that comes 30 s later is found soon after its start', PAIR, async (lab) => {
  const { plugin } = await startDht(lab);
  const [a, b] = pair(lab);
  await a.startDaemon(using({ dht: plugin }));
  await sleep(30_000);
  const startedAt = performance.now();
  await b.startDaemon(using({ dht: plugin }));
  await expectFirstPing(a, b, startedAt);
});

labTest('nothing but a DHT of which half is dead and the rest slow and lossy: the pair connects', PAIR, async (lab) => {
  const { plugin } = await startDht(lab, { rough: true });
  const [a, b] = pair(lab);
  const startedAt = performance.now();
  await startAll([a, b], using({ dht: plugin }));
  await expectFirstPing(a, b, startedAt, ROUGH_LIMIT_MS);
  await expectTunnel(a, b);
});

for (const down of ['dht', 'redis'] as const) {
  labTest(`of [dht, redis] ${down} is down: the pair connects by the other`, PAIR, async (lab) => {
    const servers = { dht: await startDht(lab), redis: await startRedis(lab) };
    await servers[down].kill();
    const [a, b] = pair(lab);
    const [daemon] = await startAll([a, b], using({ dht: servers.dht.plugin, redis: servers.redis.plugin }));
    await expectTunnel(a, b);
    await daemon?.waitFor(({ stores }) => stores.find(({ failures }) => failures > 0)?.name === down, {
      what: `calls to ${down} to fail, and no others`,
    });
  });
}

labTest(
  'F5 a full tunnel that is dead swallows neither the names of bootstraps nor the DHT: the pair connects',
  { ...PAIR, coturn: [1] },
  async (lab) => {
    const names = await startNames(lab);
    const { plugin } = await startDht(lab, { host: 'dht.lab.test' });
    const [a, b] = pair(lab);
    await takeOver(a, b);
    const command = [...(await withNameServer(lab)), ...lab.daemonCommand];
    const options = { ...using({ dht: plugin }), command, stun: ['stun.lab.test:3478'] };
    await Promise.all([a.startDaemon(options), b.startDaemon(options)]);
    await expectTunnel(a, b);
    assert.match(names.stdout, /^dht\.lab\.test 1$/m);
  },
);
