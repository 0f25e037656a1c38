/** How fast a pair connects and heals, and how little is done to tunnels that are well: each row of the promise beside its target. */

import { type Counting, healthyRefreshes, quietPeer, symmetricIdle, symmetricPings } from '../e2e/heal/steps/counts.js';
import { ALL, LONG } from '../e2e/heal/steps/scenarios.js';
import type { Scenario } from '../e2e/heal/steps/start.js';
import { openLab, sleep } from '../e2e/lab/index.js';
import { CROWD_SPEC, cpuTime, gather } from '../e2e/lab/steps/crowd.js';
import type { Report } from './report.js';

const COUNTS: readonly Counting[] = [healthyRefreshes(10), symmetricPings(200), symmetricIdle(5)];
const CROWD = 1000;
const CROWD_CPU_TARGET_PERCENT = 2;
/** After the start of so many, garbage is still being collected. */
const SETTLE_MS = 15_000;
const WATCH_MS = 60_000;

export async function benchHeal(report: Report, runs: number): Promise<void> {
  report.title(`Connecting and healing, ${runs} runs each`);
  for (const scenario of ALL) await time(report, runs, scenario);
  report.title('Rows that take a minute, once each');
  for (const scenario of LONG) await time(report, 1, scenario);
  report.title('Tunnels that are well, left alone');
  for (const counting of COUNTS) await count(report, counting);
  await benchHealthyCrowd(report);
}

/** The row that takes ten minutes; only when asked for by name. */
export async function benchHealLong(report: Report): Promise<void> {
  report.title('Tunnels that are well, left alone for ten minutes');
  await count(report, quietPeer(600_000));
}

async function time(report: Report, runs: number, scenario: Scenario): Promise<void> {
  const values: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    await using lab = await openLab(scenario.spec);
    values.push(await scenario.measure(lab, scenario.limitMs * 2));
  }
  report.row({ what: scenario.name, values, unit: 'ms', target: scenario.targetMs });
}

async function count(report: Report, counting: Counting): Promise<void> {
  await using lab = await openLab(counting.spec);
  for (const { what, value } of await counting.count(lab))
    report.row({ what, values: [value], unit: 'times', target: 0 });
}

async function benchHealthyCrowd(report: Report): Promise<void> {
  await using lab = await openLab(CROWD_SPEC);
  const plugin = { type: 'builtin', name: 'file', path: lab.storeDir };
  const { daemon } = await gather(lab, { count: CROWD, connected: true, plugin, refreshInterval: '10m' });
  await daemon.waitFor(({ devices: [device] }) => device?.peers.every(({ phase }) => phase === 'connected'), {
    what: `${CROWD} connected peers`,
    deadlineMs: 60_000,
  });
  await sleep(SETTLE_MS);
  const before = await cpuTime(daemon.pid);
  const startedAt = performance.now();
  await sleep(WATCH_MS);
  const tookMs = performance.now() - startedAt;
  const after = await cpuTime(daemon.pid);
  const cpuMs = after.ownMs + after.childrenMs - before.ownMs - before.childrenMs;
  report.row({
    what: `${CROWD} healthy peers, share of one core over ${WATCH_MS / 1000} s`,
    values: [(100 * cpuMs) / tookMs],
    unit: '%',
    target: CROWD_CPU_TARGET_PERCENT,
  });
}
