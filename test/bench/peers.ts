/** What a refresh costs with 1 to 1000 connected peers on one device. */
import { join } from 'node:path';
import { type Lab, openLab, REPOSITORY } from '../e2e/lab/index.js';
import {
  afterRefreshes,
  type CpuTime,
  CROWD_SPEC,
  type Crowd,
  cpuTime,
  gather,
  residentBytes,
} from '../e2e/lab/steps/crowd.js';
import { benchReload } from './reload.js';
import type { Report } from './report.js';

const MIB = 1024 * 1024;
const LIMIT_MS = 30_000;

interface StoreKind {
  readonly name: string;
  readonly counts: readonly number[];
  plugin(lab: Lab): Readonly<Record<string, unknown>>;
}

const STORES: readonly StoreKind[] = [
  {
    name: 'file',
    counts: [1, 50, 200, 1000],
    plugin: (lab) => ({ type: 'builtin', name: 'file', path: lab.storeDir }),
  },
  {
    name: 'shell (parallel: 8)',
    counts: [1, 50, 200],
    plugin: (lab) => ({
      type: 'shell',
      parallel: 8,
      command: join(REPOSITORY, 'test/fixtures/e2e/shell-store.sh'),
      args: [lab.storeDir],
    }),
  },
];

export async function benchPeers(report: Report, runs: number): Promise<void> {
  report.title(`Cost of a refresh (read all; write all after a move), ${runs} refreshes each`);
  for (const store of STORES) {
    for (const count of store.counts) {
      await benchCrowd(report, runs, store, count).catch((error: Error) => {
        report.missing(`${store.name} store, ${count} peers`, error.message);
      });
    }
  }
  await benchReload(report, runs).catch((error: Error) => report.missing('reload', error.message));
}

async function benchCrowd(report: Report, runs: number, store: StoreKind, count: number): Promise<void> {
  await using lab = await openLab(CROWD_SPEC);
  const crowd = await gather(lab, { count, connected: true, plugin: store.plugin(lab), refreshInterval: '5s' });
  const published = { what: 'all records', deadlineMs: 4 * LIMIT_MS };
  await crowd.daemon.waitFor((snapshot) => snapshot.devices[0]?.peers.every((peer) => peer.published), published);
  const name = `${store.name} store, ${count} peer${count === 1 ? '' : 's'}`;
  for (const kind of ['read', 'read and write'] as const) {
    const costs: Cost[] = [];
    for (let run = 0; run < runs; run += 1) {
      if (kind === 'read and write') await crowd.host.move();
      costs.push(await refreshCost(crowd));
    }
    const ownMs = costs.map((cost) => cost.ownMs);
    report.row({ what: `${name}: ${kind}, wall`, values: costs.map((cost) => cost.wallMs), unit: 'ms' });
    report.row({ what: `${name}: ${kind}, CPU of the daemon`, values: ownMs, unit: 'ms' });
    report.row({ what: `${name}: ${kind}, CPU of it per peer`, values: ownMs.map((ms) => ms / count), unit: 'ms' });
    if (store.name.startsWith('shell')) {
      report.row({
        what: `${name}: ${kind}, CPU of its children`,
        values: costs.map((cost) => cost.childrenMs),
        unit: 'ms',
      });
    }
  }
  report.row({
    what: `${name}: resident memory`,
    values: [(await residentBytes(crowd.daemon.pid)) / MIB],
    unit: 'MiB',
  });
}

interface Cost extends CpuTime {
  readonly wallMs: number;
}

/** Of the next whole refresh, and of whatever else the daemon does in its interval; Infinity where it does not end in time. */
async function refreshCost(crowd: Crowd): Promise<Cost> {
  const before = await cpuTime(crowd.daemon.pid);
  const ended = await afterRefreshes(crowd, 1, LIMIT_MS).then(
    () => true,
    () => false,
  );
  if (!ended)
    return { wallMs: Number.POSITIVE_INFINITY, ownMs: Number.POSITIVE_INFINITY, childrenMs: Number.POSITIVE_INFINITY };
  const after = await cpuTime(crowd.daemon.pid);
  return {
    wallMs: crowd.tookMs.at(-1) ?? Number.NaN,
    ownMs: after.ownMs - before.ownMs,
    childrenMs: after.childrenMs - before.childrenMs,
  };
}
