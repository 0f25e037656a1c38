/** What an idle daemon with one connected peer and a file store costs: memory and CPU. */

import { type Daemon, type Lab, openLab, sleep } from '../e2e/lab/index.js';
import { cpuTime, residentBytes } from '../e2e/lab/steps/crowd.js';
import { startAll } from '../e2e/lab/steps/pair.js';
import type { Report } from './report.js';

const MIB = 1024 * 1024;
const RSS_TARGET_MIB = 70;
const RSS_GOAL_MIB = 60;
const CPU_TARGET_PERCENT = 0.2;
/** After the connection the garbage of the start is still being collected. */
const SETTLE_MS = 15_000;
const WATCH_MS = 30_000;
const SIDES = { a: { wireguard: { keepaliveSeconds: 25 } }, b: { wireguard: { keepaliveSeconds: 25 } } };

export async function benchIdle(report: Report, runs: number): Promise<void> {
  report.title(`Idle daemon: one connected peer, file store, refresh 10m, keepalive 25, over ${WATCH_MS / 1000} s`);
  const labs: Lab[] = [];
  try {
    while (labs.length * 2 < runs) labs.push(await openLab({ sides: SIDES, coturn: [1, 2] }));
    const daemons = (await Promise.all(labs.map(connect))).flat().slice(0, runs);
    await sleep(SETTLE_MS);
    const before = await Promise.all(daemons.map(totalCpu));
    const startedAt = performance.now();
    await sleep(WATCH_MS);
    const tookMs = performance.now() - startedAt;
    const after = await Promise.all(daemons.map(totalCpu));
    const shares = after.map((cpuMs, i) => (100 * (cpuMs - (before[i] ?? 0))) / tookMs);
    const resident = await Promise.all(daemons.map(async (daemon) => (await residentBytes(daemon.pid)) / MIB));
    report.row({
      what: 'resident memory',
      values: resident,
      unit: 'MiB',
      target: RSS_TARGET_MIB,
      note: `goal ${RSS_GOAL_MIB} MiB`,
    });
    report.row({ what: 'CPU, share of one core', values: shares, unit: '%', target: CPU_TARGET_PERCENT });
  } finally {
    await Promise.all(labs.map((lab) => lab[Symbol.asyncDispose]()));
  }
}

async function connect(lab: Lab): Promise<Daemon[]> {
  const daemons = await startAll([lab.host('a'), lab.host('b')]);
  await Promise.all([daemons[0]?.waitForPhase('b', ['connected']), daemons[1]?.waitForPhase('a', ['connected'])]);
  return daemons;
}

async function totalCpu(daemon: Daemon): Promise<number> {
  const { ownMs, childrenMs } = await cpuTime(daemon.pid);
  return ownMs + childrenMs;
}
