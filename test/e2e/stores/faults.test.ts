/** Pairs over real back ends on the public network, and what becomes of them when a back end dies and comes back. */
import assert from 'node:assert/strict';
import { pinging } from '../heal/steps/healing.js';
import { type Daemon, startCloudflare, startRedis } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';

const PAIR = { sides: { a: {}, b: {} }, coturn: [1, 2] } as const;
/** Each way once. */
const settled = (daemon: Daemon | undefined, state: 'up' | 'down', store = 0) =>
  daemon?.waitFor((snapshot) => snapshot.stores[store]?.state === state, {
    what: `the store to be ${state}`,
    deadlineMs: 40_000,
  });

labTest(
  'Redis: a pair connects; the server is killed and started again, empty, and both hosts find each other anew',
  PAIR,
  async (lab) => {
    const redis = await startRedis(lab);
    const [a, b] = [lab.host('a'), lab.host('b')];
    const options = { plugins: { folder: redis.plugin }, refreshInterval: '1s' };
    const [daemon] = await startAll([a, b], options);
    await expectTunnel(a, b);
    await redis.kill();
    await settled(daemon, 'down');
    assert.deepEqual(await a.pingBurst(b, 20, 0.02), { sent: 20, received: 20 });
    const log = daemon?.log() ?? '';
    assert.equal(log.split('the store does not answer').length, 2, log);
    await b.move();
    await redis.start();
    await expectTunnel(a, b);
    await settled(daemon, 'up');
    assert.equal((daemon?.log() ?? '').split('the store answers again').length, 2);
  },
);

labTest('F32 Redis that is down at the start: the pair connects soon after it comes', PAIR, async (lab) => {
  const redis = await startRedis(lab);
  await redis.kill();
  const [a, b] = [lab.host('a'), lab.host('b')];
  const [daemon] = await startAll([a, b], { plugins: { folder: redis.plugin } });
  await settled(daemon, 'down');
  assert.match((await daemon?.peer('b'))?.lastError?.code ?? '', /^ERR_STORE_UNAVAILABLE$/);
  await redis.start();
  await expectTunnel(a, b);
});

labTest(
  "Cloudflare's stand-in: a pair connects by few calls; the API goes away and comes back empty, and a move is told through it",
  PAIR,
  async (lab) => {
    const api = await startCloudflare(lab);
    const [a, b] = [lab.host('a'), lab.host('b')];
    const options = { plugins: { folder: api.plugin }, env: api.env, ...pinging([a, b], '1s') };
    const [daemon] = await startAll([a, b], options);
    await expectTunnel(a, b);
    const calls = api.process.stdout.split('\n').filter((line) => line.includes('/zones'));
    assert.ok(calls.length <= 30, `${calls.length} calls: ${calls.join('\n')}`);
    await api.kill();
    assert.deepEqual(await a.pingBurst(b, 20, 0.02), { sent: 20, received: 20 });
    await api.start();
    await Promise.all([a.move(), b.move()]);
    await expectTunnel(a, b, 45_000);
    assert.equal((await daemon?.status())?.stores[0]?.state, 'up');
  },
);

labTest(
  'F13 two stores for one peer, a folder and a dead Redis: the pair connects at once, and status tells which is down',
  PAIR,
  async (lab) => {
    const folder = { type: 'builtin', name: 'file', path: lab.storeDir };
    // Nobody listens at this port, and nobody answers at this address.
    const refused = { type: 'builtin', name: 'redis', url: 'redis://203.0.113.1:6380' };
    const silent = { type: 'builtin', name: 'redis', url: 'redis://203.0.113.5:6379', timeout: '2s' };
    const [a, b] = [lab.host('a'), lab.host('b')];
    const plugin = ['refused', 'folder', 'silent'];
    const peerOverrides = { a: { plugin }, b: { plugin } };
    const [daemon] = await startAll([a, b], { plugins: { refused, folder, silent }, peerOverrides });
    await expectTunnel(a, b);
    const status = await daemon?.waitFor(
      (snapshot) => snapshot.stores.filter(({ failures }) => failures > 0).length === 2 && snapshot,
      { what: 'both dead stores to be told' },
    );
    const healthy = status?.stores.find(({ name }) => name === 'folder');
    assert.equal(healthy?.failures, 0);
    assert.equal(status?.devices[0]?.peers[0]?.record?.store, 'folder');
  },
);
