/** `npm run soak [-- --minutes N]`: a pair under faults without end, a quiet while after them, and a report; exit status 1 where a target is missed. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pinging } from '../e2e/heal/steps/healing.js';
import {
  type Host,
  type Lab,
  missingForLab,
  openLab,
  REPOSITORY,
  sleep,
  startRedis,
  sweepDeadLabs,
} from '../e2e/lab/index.js';
import { expectTunnel } from '../e2e/lab/steps/pair.js';
import { type Side, startFaults } from './soak-faults.js';
import { type Sample, SoakWatch } from './soak-watch.js';

const STUCK_MS = 15_000;
const MOST_RSS_MIB = 110;
const GROWTH_MIB = 8;
const GROWTH_DESCRIPTORS = 4;
const LINES_AN_HOUR = 100;
const SAMPLE_MS = 5_000;
/** After the faults: what they started ends, and then nothing should be said. */
const SETTLE_MS = 20_000;
const LEAST_QUIET_MS = 60_000;

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '30' } } });
const wholeMs = Number(values.minutes) * 60_000;
const missing = missingForLab();
if (!(wholeMs > 0) || missing !== undefined) {
  process.stdout.write(
    missing === undefined ? 'usage: npm run soak [-- --minutes N]\n' : `the soak cannot run: ${missing}\n`,
  );
  process.exit(2);
}

// Of its own, so that what is left in it is the daemons'.
const temporary = mkdtempSync(join(tmpdir(), 'soak-'));
chmodSync(temporary, 0o1777);
process.env['TMPDIR'] = temporary;
process.on('exit', () => rmSync(temporary, { recursive: true, force: true }));
sweepDeadLabs();
process.exitCode = await run();

async function run(): Promise<number> {
  await using lab = await openLab({
    sides: { a: { nats: ['restricted'] }, b: { nats: ['restricted'] } },
    coturn: [1, 2],
  });
  const redis = await startRedis(lab);
  const program = join(REPOSITORY, 'packages/store-exec/examples/watching_store.py');
  const plugins = {
    redis: redis.plugin,
    session: { type: 'exec', protocol: 1, command: program, args: [lab.storeDir] },
  };
  const [a, b] = await Promise.all([openSide(lab, 'a', 'b', plugins), openSide(lab, 'b', 'a', plugins)]);
  const sides = [a, b] as const;
  await expectTunnel(a.host, b.host);
  const watch = new SoakWatch(lab, a.host, b.host);
  const hosts = sides.map(({ host }) => host);
  const faults = startFaults(sides, redis, watch);
  const quietMs = Math.max(LEAST_QUIET_MS, wholeMs / 10);
  const until = async (ms: number): Promise<void> => {
    for (const end = performance.now() + ms; performance.now() < end; await sleep(SAMPLE_MS))
      await watch.sample(
        sides.map(({ daemon }) => daemon),
        hosts,
      );
  };
  await until(Math.max(wholeMs - quietMs - SETTLE_MS, SAMPLE_MS));
  await faults.stop();
  await sleep(SETTLE_MS);
  const before = lines(lab);
  await until(quietMs);
  watch.close();
  return report(lab, watch, ((lines(lab) - before) * 3_600_000) / quietMs);
}

async function openSide(
  lab: Lab,
  name: string,
  other: string,
  plugins: Readonly<Record<string, Plugin>>,
): Promise<Side> {
  const host = lab.host(name);
  const far: Host = lab.host(other);
  const { peerOverrides = {} } = pinging([far], '1s');
  const start = () =>
    host.startDaemon({
      plugins,
      refreshInterval: '1s',
      peerOverrides: { [other]: { ...peerOverrides[other], plugin: Object.keys(plugins) } },
      extra: { log: { level: 'info' } },
    });
  return { host, daemon: await start(), start };
}

type Plugin = Readonly<Record<string, unknown>>;

/** Of all daemons' logs, at info and above. */
function lines(lab: Lab): number {
  return lab.daemons().reduce((sum, daemon) => sum + daemon.log().split('\n').length - 1, 0);
}

function report(lab: Lab, watch: SoakWatch, quietLines: number): number {
  const halves = <T>(list: readonly T[]) => [list.slice(0, list.length / 2), list.slice(list.length / 2)] as const;
  const middle = (list: readonly number[]) => list.toSorted((x, y) => x - y)[Math.floor(list.length / 2)] ?? Number.NaN;
  const median = (list: readonly Sample[], of: (sample: Sample) => number) => middle(list.map(of));
  const growth = (of: (sample: Sample) => number): number => {
    const [early, late] = halves(watch.samples.filter(({ settled }) => settled));
    return median(late, of) - median(early, of);
  };
  const [early, late] = halves(watch.files);
  const internal = lab.daemons().reduce((sum, daemon) => sum + daemon.log().split('ERR_INTERNAL').length - 1, 0);
  const longest = watch.gaps.toSorted((x, y) => y.ms - x.ms);
  const rows: readonly (readonly [string, number, number])[] = [
    ['longest time without an answered ping, ms', longest[0]?.ms ?? 0, STUCK_MS],
    ['most resident memory of a daemon, MiB', Math.max(...watch.samples.map(({ rssMiB }) => rssMiB)), MOST_RSS_MIB],
    ['growth of the median memory, first to second half, MiB', growth(({ rssMiB }) => rssMiB), GROWTH_MIB],
    ['growth of the median number of descriptors', growth(({ descriptors }) => descriptors), GROWTH_DESCRIPTORS],
    // The fewest tell nothing: a look may fall between a kill and the next start.
    ['growth of the median number of files in run, state and temporary folders', middle(late) - middle(early), 0],
    ['lines of both logs an hour while nothing happens', quietLines, 2 * LINES_AN_HOUR],
    ['internal errors', internal, 0],
  ];
  let missed = 0;
  const say = (text: string) => process.stdout.write(`${text}\n`);
  say(`\n${[...watch.counts].map(([name, count]) => `${count} x ${name}`).join(', ')}`);
  for (const [what, value, target] of rows) {
    if (!(value <= target)) missed += 1;
    const verdict = value <= target ? 'ok' : 'MISSED';
    say(`${what.padEnd(74)}${value.toFixed(value < 100 ? 1 : 0).padStart(9)}${`≤ ${target}`.padStart(10)}  ${verdict}`);
  }
  say(
    `descriptors: ${Math.max(...watch.samples.map(({ descriptors }) => descriptors))} at most; ${watch.gaps.length} gaps over a second, the longest:`,
  );
  for (const { ms, atS, after } of longest.slice(0, 8))
    say(`  ${(ms / 1000).toFixed(1)} s, ended at ${atS.toFixed(0)} s; ${after}`);
  if (missed > 0) say(`${missed} target(s) missed\n${lab.logTails(8_000)}`);
  else say('every target is met');
  return missed === 0 ? 0 : 1;
}
