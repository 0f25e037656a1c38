/** What a start costs: with 200 connected peers until every record is read and written, what memory is left, and when the first reflexive address is known. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Lab, must, openLab, REPOSITORY, sleep, until } from '../e2e/lab/index.js';
import { CROWD_SPEC, cpuTime, gather, residentBytes } from '../e2e/lab/steps/crowd.js';
import { MadeBundle } from '../e2e/packaging/steps/bundle-made.js';
import type { Report } from './report.js';

const MIB = 1024 * 1024;
const COUNT = 200;
/** Processor time, which a busy machine stretches less than the clock's: by half and more all the same. */
const TARGET_MS = { median: 1_500, worst: 2_000 };
const LIMIT_MS = 60_000;
/** Two seconds after the start its garbage is collected. */
const SETTLE_MS = 5_000;
const RESIDENT_MIB: Readonly<Record<number, number>> = { 50: 64, 200: 70, 1000: 85 };
/** Beside one round trip to the STUN server. */
const REFLEXIVE_MS = 200;
const MAKE_MS = 120_000;

export async function benchStart(report: Report, runs: number): Promise<void> {
  report.title(
    `Start with ${COUNT} connected peers, file store: until all records are read and written, ${runs} starts`,
  );
  const costs: StartCost[] = [];
  for (let run = 0; run < runs; run += 1) costs.push(await startCost(COUNT));
  report.row({ what: 'CPU of the daemon', values: costs.map(({ ms }) => ms), unit: 'ms', target: TARGET_MS });
  report.row({
    what: `CPU of the daemon, ${SETTLE_MS / 1000} s later`,
    values: costs.map(({ laterMs }) => laterMs),
    unit: 'ms',
  });
  for (const [count, mib] of Object.entries(RESIDENT_MIB)) {
    const found = Number(count) === COUNT ? costs : [await startCost(Number(count))];
    report.row({
      what: `resident memory then, ${count} peers`,
      values: found.map(({ bytes }) => bytes / MIB),
      unit: 'MiB',
      target: { median: mib },
    });
  }
  await benchReflexive(report, runs);
}

interface StartCost {
  readonly ms: number;
  readonly laterMs: number;
  readonly bytes: number;
}

async function startCost(count: number): Promise<StartCost> {
  await using lab = await openLab(CROWD_SPEC);
  const plugin = { type: 'builtin', name: 'file', path: lab.storeDir };
  const crowd = await gather(lab, { count, connected: true, plugin, refreshInterval: '10m' });
  const { pid } = crowd.daemon;
  // Its own word, since to ask for a snapshot of all again and again would be a good part of what is measured.
  await until(() => crowd.refreshes.ended >= 0, { what: 'the first refresh', deadlineMs: LIMIT_MS });
  const { ownMs } = await cpuTime(pid);
  const { peers } = await crowd.daemon.device();
  const undone = peers.filter((peer) => peer.reads === 0 || peer.published === undefined);
  if (undone.length > 0) throw new Error(`${undone.length} of ${count} peers were not read or not published`);
  await sleep(SETTLE_MS);
  return { ms: ownMs, laterMs: (await cpuTime(pid)).ownMs, bytes: await residentBytes(pid) };
}

/** From the start of the process, `ip netns exec` and `setpriv` before it included, to the log line; less one round trip. */
async function benchReflexive(report: Report, runs: number): Promise<void> {
  report.title(`From the start of the process to the first reflexive address, less one round trip, ${runs} starts`);
  const folder = await mkdtemp(join(tmpdir(), 'bench-'));
  try {
    await using bundle = await MadeBundle.make('--stores', 'file');
    await using lab = await openLab({ sides: { a: {}, b: {} }, coturn: [1, 2] });
    const platform = `linux-${process.arch}`;
    const release = [process.execPath, join(REPOSITORY, 'test/tools/release.mjs'), platform, '--no-build'];
    await must(undefined, [...release, '--out', folder], { timeoutMs: MAKE_MS });
    const programs = [
      { form: 'clone by Node', command: undefined },
      { form: 'bundle by Node', command: bundle.command('node'), target: { median: REFLEXIVE_MS } },
      { form: 'executable', command: [join(folder, `stunmesh-${platform}`)], target: { median: REFLEXIVE_MS } },
    ];
    for (const { form, command, target } of programs) {
      const values: number[] = [];
      for (let run = 0; run < runs; run += 1) values.push(await reflexiveAfter(lab, folder, command));
      report.row({ what: form, values, unit: 'ms', ...(target && { target }) });
    }
  } catch (error) {
    report.missing('first reflexive address', (error as Error).message);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function reflexiveAfter(lab: Lab, folder: string, command: readonly string[] | undefined): Promise<number> {
  const began = Date.now();
  await using daemon = await lab.host('a').startDaemon({ ...(command && { command }), env: { TMPDIR: folder } });
  const line = await until(() => /^.*"msg":"reflexive address".*$/m.exec(daemon.log())?.[0], {
    what: 'the first reflexive address',
    deadlineMs: LIMIT_MS,
  });
  const { time, rttMs } = JSON.parse(line) as { time: string; rttMs: number };
  return Date.parse(time) - began - rttMs;
}
