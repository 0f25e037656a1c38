/** What a start with 200 connected peers costs, from the first line of the program until every record is read and written. */
import { openLab } from '../e2e/lab/index.js';
import { CROWD_SPEC, cpuTime, gather } from '../e2e/lab/steps/crowd.js';
import type { Report } from './report.js';

const COUNT = 200;
/** Processor time, which a busy machine stretches less than the clock's: by half and more all the same. */
const TARGET_MS = 1_500;
const LIMIT_MS = 60_000;

export async function benchStart(report: Report, runs: number): Promise<void> {
  report.title(
    `Start with ${COUNT} connected peers, file store: until all records are read and written, ${runs} starts`,
  );
  const values: number[] = [];
  for (let run = 0; run < runs; run += 1) values.push(await startCost());
  report.row({ what: 'CPU of the daemon', values, unit: 'ms', target: { median: TARGET_MS } });
}

async function startCost(): Promise<number> {
  await using lab = await openLab(CROWD_SPEC);
  const plugin = { type: 'builtin', name: 'file', path: lab.storeDir };
  const { daemon } = await gather(lab, { count: COUNT, connected: true, plugin, refreshInterval: '10m' });
  await daemon.waitFor(
    (snapshot) => snapshot.devices[0]?.peers.every((peer) => peer.reads > 0 && peer.published !== undefined),
    { what: 'all records', deadlineMs: LIMIT_MS },
  );
  return (await cpuTime(daemon.pid)).ownMs;
}
