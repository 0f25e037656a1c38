/** Paths: which of several ways a pair takes and how soon, and how a live session is moved to a better one. */

import { NAT_MOVES } from '../e2e/heal/steps/scenarios.js';
import { type Host, type Lab, type LabSpec, openLab, sleep, until } from '../e2e/lab/index.js';
import { CROWD_SPEC, cpuTime, gather } from '../e2e/lab/steps/crowd.js';
import {
  FAMILIES_SPEC,
  FIREWALL_SPEC,
  families,
  firewalledStun,
  laterIpv6,
  poisonedSpec,
  poisonedStart,
  SWITCH_SPEC,
  switchUnder,
} from '../e2e/paths/steps/long.js';
import { bothRecords, type Meeting, meet, pair } from '../e2e/paths/steps/meeting.js';
import {
  type Accepting,
  accepting,
  brokenFamily,
  COMMON_INNER,
  EQUAL_PREFIXES,
  HAIRPIN,
  ONE_CARRIER,
  ONE_LAN,
} from '../e2e/paths/steps/meetings.js';
import type { Report, Target } from './report.js';

const LIMIT_MS = 20_000;
const PAIR: LabSpec = { sides: { a: {}, b: {} }, coturn: [1, 2] };
const FIRST_PING: Meeting = {
  name: 'port-restricted pair, from both starts',
  spec: PAIR,
  from: 'start',
  targetMs: 900,
};
const FIRST_PING_TARGET: Target = { median: 500, worst: 900 };
const NAT_MOVES_TARGET: Target = { median: 1500 };
const ACCEPTING: readonly Accepting[] = ['both', 'the earlier', 'the later'];
const RTT_MS = 40;
const POISONED_MS = 120_000;
const FIREWALL_MS = 190_000;
const UPGRADE_MS = 65_000;
const DOWNGRADE_MS = 3_000;
const CROWD = 1000;
const CROWD_CPU_PERCENT = 10;

export async function benchPaths(report: Report, runs: number): Promise<void> {
  report.title(`First ping where there are several ways, ${runs} runs each`);
  await row(report, runs, FIRST_PING, FIRST_PING_TARGET);
  for (const meeting of [ONE_LAN, HAIRPIN, COMMON_INNER, ONE_CARRIER, EQUAL_PREFIXES]) await row(report, runs, meeting);
  report.title(`The same, from the moment that the store has both records`);
  for (const meeting of [brokenFamily(4), brokenFamily(6)]) await row(report, runs, meeting);
  for (const apartMs of [0, 2_000, 10_000])
    for (const which of ACCEPTING)
      for (const store of ['watch', 'polling'] as const) await row(report, runs, accepting(which, apartMs, store));
  report.title(`Round trip of ${RTT_MS} ms: from both records until both sides have a session`);
  await sessions(report, runs, 'both at once', 0, 600);
  await sessions(report, runs, 'the second 3 s later, acknowledged', 3_000, 5 * RTT_MS + 100);
  report.title('Recovery');
  await repeat(report, runs, NAT_MOVES.name, NAT_MOVES.spec, NAT_MOVES_TARGET, (lab) =>
    NAT_MOVES.measure(lab, LIMIT_MS),
  );
}

/** What takes minutes; only when asked for by name. */
export async function benchPathsLong(report: Report, runs: number): Promise<void> {
  report.title('prefer_ipv6, from the moment that IPv6 is valid');
  await repeat(report, runs, "IPv6's address is discovered later", FAMILIES_SPEC, { worst: UPGRADE_MS }, laterIpv6);
  await changes(report, runs);
  report.title('A live session is moved from IPv4 to IPv6, round trip of 40 ms');
  for (const perSecond of [5, 20, 100, 500]) await switches(report, runs, perSecond);
  report.title('Accepting routers, spoilt before the start by WireGuard itself');
  for (const which of ACCEPTING) {
    const name = which === 'both' ? which : `${which}'s`;
    await repeat(report, runs, name, poisonedSpec(which), { worst: POISONED_MS }, (lab) =>
      poisonedStart(lab, 2 * POISONED_MS),
    );
  }
  report.title('A firewall that stops STUN between the hosts, and lets WireGuard pass');
  await repeat(report, runs, 'from the start to pings both ways', FIREWALL_SPEC, { worst: FIREWALL_MS }, (lab) =>
    firewalledStun(lab, 2 * FIREWALL_MS),
  );
  await benchUnsettledCrowd(report);
}

async function row(
  report: Report,
  runs: number,
  meeting: Meeting,
  target: Target = { worst: meeting.targetMs },
): Promise<void> {
  await repeat(report, runs, meeting.name, meeting.spec, target, (lab) => meet(lab, meeting, LIMIT_MS));
}

async function repeat(
  report: Report,
  runs: number,
  what: string,
  spec: LabSpec,
  target: Target,
  measure: (lab: Lab) => Promise<number>,
): Promise<void> {
  const values: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    await using lab = await openLab(spec);
    values.push(await measure(lab).catch(() => Number.POSITIVE_INFINITY));
  }
  report.row({ what, values, unit: 'ms', target });
}

/** 19 of 20 have to be in time: of fewer runs all. */
async function sessions(report: Report, runs: number, what: string, apartMs: number, targetMs: number): Promise<void> {
  const values: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    await using lab = await openLab({ ...PAIR, routed: true, rttMs: RTT_MS });
    const [a, b] = pair(lab);
    await a.startDaemon();
    await sleep(apartMs);
    await b.startDaemon();
    const from = await bothRecords(lab);
    const up = async (host: Host) => ((await host.deviceState()).peers[0]?.latestHandshakeAt ?? 0) > 0;
    const tookMs = await until(async () => (await up(a)) && (await up(b)) && performance.now() - from, {
      deadlineMs: LIMIT_MS,
      pollMs: 5,
    }).catch(() => Number.POSITIVE_INFINITY);
    values.push(tookMs);
  }
  const inTime = values.toSorted((x, y) => x - y).slice(0, Math.ceil(values.length * 0.95));
  report.row({ what, values: inTime, unit: 'ms', target: targetMs, note: `${inTime.length} of ${runs} runs` });
}

async function changes(report: Report, runs: number): Promise<void> {
  const seen: Awaited<ReturnType<typeof families>>[] = [];
  for (let run = 0; run < runs; run += 1) {
    await using lab = await openLab(FAMILIES_SPEC);
    seen.push(await families(lab));
  }
  const rows = [
    ['IPv6 passes again: both sides use it', (one: (typeof seen)[0]) => one.upgradeMs, UPGRADE_MS, 0],
    ['IPv6 dies: both sides use IPv4', (one: (typeof seen)[0]) => one.downgradeMs, DOWNGRADE_MS, 30],
    ['IPv6 comes back: both sides use it', (one: (typeof seen)[0]) => one.backMs, UPGRADE_MS, 0],
  ] as const;
  rows.forEach(([what, of, targetMs, mostLost], i) => {
    report.row({ what, values: seen.map(of), unit: 'ms', target: targetMs });
    const lost = seen.map((one) => one.lost[i] ?? Number.POSITIVE_INFINITY);
    report.row({ what: '  pings lost, ten a second', values: lost, unit: 'times', target: mostLost });
  });
}

async function switches(report: Report, runs: number, perSecond: number): Promise<void> {
  const seen: Awaited<ReturnType<typeof switchUnder>>[] = [];
  for (let run = 0; run < runs; run += 1) {
    await using lab = await openLab(SWITCH_SPEC);
    seen.push(await switchUnder(lab, perSecond));
  }
  const what = `${perSecond} packets/s each way`;
  const target = perSecond >= 500 ? 5_000 : 2_000;
  report.row({ what: `${what}: sticks after`, values: seen.map(({ sticksMs }) => sticksMs), unit: 'ms', target });
  // What leaves in one round trip, each way: a ping is lost with its packet or with its answer.
  const mostLost = Math.ceil((2 * perSecond * RTT_MS) / 1000);
  report.row({ what: `${what}: pings lost`, values: seen.map(({ lost }) => lost), unit: 'times', target: mostLost });
}

/** None of them answers; each has a record that says it knows checks. */
async function benchUnsettledCrowd(report: Report): Promise<void> {
  report.title(`${CROWD} peers that know checks, none of them connected`);
  await using lab = await openLab(CROWD_SPEC);
  const plugin = { type: 'builtin', name: 'file', path: lab.storeDir };
  const { daemon } = await gather(lab, { count: CROWD, connected: false, plugin, refreshInterval: '10m' });
  const sockets = async () => (await daemonSockets(lab.host('a'), daemon.pid)).length;
  const values: number[] = [];
  // The first minutes are the busiest: rounds, then slots.
  for (let minute = 0; minute < 5; minute += 1) {
    const before = await cpuTime(daemon.pid);
    const startedAt = performance.now();
    await sleep(60_000);
    const after = await cpuTime(daemon.pid);
    values.push((100 * (after.ownMs - before.ownMs)) / (performance.now() - startedAt));
  }
  report.row({ what: 'share of one core, by minutes', values, unit: '%', target: CROWD_CPU_PERCENT });
  report.row({ what: 'raw UDP sockets', values: [await sockets()], unit: 'times', target: 1 });
}

/** Lines of /proc/net/raw for IPPROTO_UDP. */
async function daemonSockets(host: Host, pid: number): Promise<readonly string[]> {
  const { stdout } = await host.exec(['cat', `/proc/${pid}/net/raw`]);
  return stdout.split('\n').filter((line) => /^\s*\d+: [0-9A-F]+:0011 /.test(line));
}
