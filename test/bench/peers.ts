/** What a refresh costs with 1 to 1000 connected peers on one device. */
import { join } from 'node:path';
import { afterRefreshes, CROWD_SPEC, cpuTime, gather, residentBytes } from '../e2e/crowd.js';
import { type Lab, openLab, REPOSITORY } from '../e2e/lab/index.js';
import type { Report } from './report.js';

const MIB = 1024 * 1024;

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
    name: 'shell',
    counts: [1, 50, 200],
    plugin: (lab) => ({
      type: 'shell',
      command: join(REPOSITORY, 'test/fixtures/e2e/shell-store.sh'),
      args: [lab.storeDir],
    }),
  },
];

export async function benchPeers(report: Report, runs: number): Promise<void> {
  report.title(`Cost of a refresh (read all; write all after a move), ${runs} refreshes each`);
  for (const store of STORES) for (const count of store.counts) await benchCrowd(report, runs, store, count);
}

async function benchCrowd(report: Report, runs: number, store: StoreKind, count: number): Promise<void> {
  await using lab = await openLab(CROWD_SPEC);
  const crowd = await gather(lab, { count, connected: true, plugin: store.plugin(lab), refreshInterval: '5s' });
  const { daemon, host, tookMs } = crowd;
  const limitMs = 60_000;
  await daemon.waitFor((snapshot) => snapshot.devices[0]?.peers.every((peer) => peer.published), {
    what: 'all records',
    deadlineMs: limitMs,
  });
  await afterRefreshes(crowd, 1, limitMs);
  const quiet = { wall: [] as number[], own: [] as number[], children: [] as number[] };
  const moved = { wall: [] as number[], own: [] as number[], children: [] as number[] };
  for (const [kind, what] of [
    ['quiet', quiet],
    ['moved', moved],
  ] as const) {
    for (let run = 0; run < runs; run += 1) {
      const before = await cpuTime(daemon.pid);
      if (kind === 'moved') await host.move();
      await afterRefreshes(crowd, 1, limitMs);
      const after = await cpuTime(daemon.pid);
      what.wall.push(tookMs.at(-1) ?? Number.NaN);
      what.own.push(after.ownMs - before.ownMs);
      what.children.push(after.childrenMs - before.childrenMs);
    }
  }
  const name = `${store.name} store, ${count} peer${count === 1 ? '' : 's'}`;
  for (const [kind, what] of [
    ['read', quiet],
    ['read and write', moved],
  ] as const) {
    report.row({ what: `${name}: ${kind}, wall`, values: what.wall, unit: 'ms' });
    report.row({ what: `${name}: ${kind}, CPU of the daemon`, values: what.own, unit: 'ms' });
    report.row({ what: `${name}: ${kind}, CPU per peer`, values: what.own.map((ms) => ms / count), unit: 'ms/peer' });
    if (store.name === 'shell')
      report.row({ what: `${name}: ${kind}, CPU of its children`, values: what.children, unit: 'ms' });
  }
  report.row({ what: `${name}: resident memory`, values: [(await residentBytes(daemon.pid)) / MIB], unit: 'MiB' });
}
