/** Stores: a refresh of 1,000 peers, how soon a change arrives, and what an idle daemon over Cloudflare weighs. */
import { join } from 'node:path';
import {
  type DaemonOptions,
  type Lab,
  openLab,
  REPOSITORY,
  sleep,
  startCloudflare,
  startRedis,
  until,
} from '../e2e/lab/index.js';
import { residentBytes } from '../e2e/lab/steps/crowd.js';
import { startAll } from '../e2e/lab/steps/pair.js';
import type { Report } from './report.js';
import { benchStoreRefresh } from './store-refresh.js';

const MIB = 1024 * 1024;
const PAIR = { sides: { a: {}, b: {} }, coturn: [1, 2] } as const;
const NEWS_TARGET_MS = 100;
const CLOUDFLARE_RSS_TARGET_MIB = 75;
/** After the connection the garbage of the start is still being collected. */
const SETTLE_MS = 30_000;
const FIRST_PING_LIMIT_MS = 20_000;

export async function benchStores(report: Report, runs: number): Promise<void> {
  await benchStoreRefresh(report, runs);
  report.title(`A change on one side to the endpoint set on the other, ${runs} runs each`);
  await benchNews(report, runs, 'Redis', async (lab) => (await startRedis(lab)).plugin);
  await benchNews(report, runs, 'watching plugin (watching_store.py, looks every 50 ms)', async (lab) => ({
    type: 'exec',
    protocol: 1,
    command: 'python3',
    args: [join(REPOSITORY, 'packages/store-exec/examples/watching_store.py'), lab.storeDir],
  }));
  report.title('Over the stand-in for Cloudflare');
  await benchCloudflareFirstPing(report, runs);
  await benchCloudflareIdle(report);
}

type MakePlugin = (lab: Lab) => Promise<Readonly<Record<string, unknown>>>;

/** From the peer's record being in the store to the endpoint in WireGuard, by the daemons' own word. */
async function benchNews(report: Report, runs: number, name: string, plugin: MakePlugin): Promise<void> {
  const values: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    await using lab = await openLab(PAIR);
    const [a, b] = [lab.host('a'), lab.host('b')];
    const options = { plugins: { folder: await plugin(lab) } };
    const first = await a.startDaemon(options);
    await first.waitFor(({ devices: [device] }) => device?.peers[0]?.published !== undefined, { what: 'a record' });
    let setAt: number | undefined;
    await first.events(({ event, at, to }) => {
      // Where the other side was faster WireGuard has followed its packet by itself.
      if (event === 'endpoint' || (event === 'phase' && to === 'connected')) setAt ??= at;
    });
    // Until the watch stands, and beyond the polls of the beginning.
    await sleep(2_000);
    const second = await b.startDaemon(options);
    const publishedAt = await second.waitFor(({ devices: [device] }) => device?.peers[0]?.published?.at, {
      what: 'the record of the other side',
    });
    await until(() => setAt !== undefined, { what: 'the endpoint' });
    values.push(Math.max(0, (setAt ?? Number.POSITIVE_INFINITY) - publishedAt));
  }
  report.row({ what: `${name}: change to endpoint`, values, unit: 'ms', target: NEWS_TARGET_MS });
}

async function overCloudflare(lab: Lab): Promise<DaemonOptions> {
  const { plugin, env } = await startCloudflare(lab);
  return { plugins: { folder: plugin }, env };
}

async function benchCloudflareFirstPing(report: Report, runs: number): Promise<void> {
  const values: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    await using lab = await openLab(PAIR);
    const [a, b] = [lab.host('a'), lab.host('b')];
    const options = await overCloudflare(lab);
    await sleep(1_000);
    const startedAt = performance.now();
    await startAll([a, b], options);
    const first = await a.firstPing(b, { startedAt, deadlineMs: FIRST_PING_LIMIT_MS });
    values.push(first ?? Number.POSITIVE_INFINITY);
  }
  report.row({ what: 'first ping, both daemons started together', values, unit: 'ms' });
}

async function benchCloudflareIdle(report: Report): Promise<void> {
  await using lab = await openLab({ ...PAIR, sides: { a: { wireguard: { keepaliveSeconds: 25 } }, b: {} } });
  const [a, b] = [lab.host('a'), lab.host('b')];
  const daemons = await startAll([a, b], await overCloudflare(lab));
  await Promise.all([daemons[0]?.waitForPhase('b', ['connected']), daemons[1]?.waitForPhase('a', ['connected'])]);
  await sleep(SETTLE_MS);
  const values = await Promise.all(daemons.map(async ({ pid }) => (await residentBytes(pid)) / MIB));
  report.row({ what: 'idle daemon, resident memory', values, unit: 'MiB', target: CLOUDFLARE_RSS_TARGET_MIB });
}
