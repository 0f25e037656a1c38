/** Watches that stand and tell nothing: noticed by our own heartbeat, polled meanwhile, relied on again when they speak. */
import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { type Daemon, type Lab, REPOSITORY, sleep, startRedis, until } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';

const PAIR = { sides: { a: {}, b: {} }, coturn: [1, 2] } as const;
/** Five seconds after a heartbeat that is due 30 s after the last, and a tick of both. */
const NOTICED_MS = 40_000;

/** From one watched state to the next. */
const watchIs = (daemon: Daemon, state: string) =>
  daemon.waitFor(({ devices: [device] }) => device?.stores?.[0]?.watch?.state === state, {
    what: `the watch to be ${state}`,
    deadlineMs: NOTICED_MS,
  });

async function startProxy(lab: Lab, address: string) {
  const argv = [process.execPath, join(REPOSITORY, 'test/fixtures/e2e/silent-proxy.mjs'), address, '6380', '6379'];
  const proxy = lab.spawn(lab.publicNamespace, argv);
  await until(() => proxy.stdout.includes('ready'), { what: 'the proxy' });
  return proxy;
}

labTest(
  'F23 Redis behind a proxy that loses news: the silence is noticed, a peer that comes is found by polling, and the watch is relied on again',
  PAIR,
  async (lab) => {
    const redis = await startRedis(lab);
    const url = new URL(String(redis.plugin['url']));
    const proxy = await startProxy(lab, url.hostname);
    const [a, b] = [lab.host('a'), lab.host('b')];
    const throughProxy = { ...redis.plugin, url: `redis://${url.hostname}:6380` };
    const daemon = await a.startDaemon({ plugins: { folder: throughProxy } });
    await watchIs(daemon, 'told');
    proxy.signal('SIGUSR2');
    await watchIs(daemon, 'silent');
    assert.match(daemon.log(), /the watch of the store is silent/);
    const startedAt = performance.now();
    await b.startDaemon({ plugins: { folder: redis.plugin } });
    const took = await a.firstPing(b, { startedAt, deadlineMs: 20_000 });
    assert.ok(took !== undefined && took < 10_000, `${took} ms to the first ping, by polling`);
    proxy.signal('SIGUSR2');
    await watchIs(daemon, 'told');
    assert.match(daemon.log(), /the store tells of changes again/);
  },
  150_000,
);

labTest('F23 a folder that is replaced is watched anew: a peer that comes is found at once', PAIR, async (lab) => {
  const [a, b] = [lab.host('a'), lab.host('b')];
  const daemon = await a.startDaemon();
  await watchIs(daemon, 'told');
  await rename(lab.storeDir, `${lab.storeDir}.aside`);
  await rename(`${lab.storeDir}.aside`, lab.storeDir);
  // The watch is one of the folder that was moved; it looks after it every second.
  await sleep(3_000);
  const startedAt = performance.now();
  await b.startDaemon();
  const took = await a.firstPing(b, { startedAt, deadlineMs: 20_000 });
  assert.ok(took !== undefined && took < 8_000, `${took} ms to the first ping`);
});
