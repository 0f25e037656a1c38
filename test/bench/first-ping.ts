/** How long two hosts behind port-restricted NATs take from the start of their daemons to the first ping. */
import { DEFAULT_STUN, type Lab, openLab, sleep, startDht } from '../e2e/lab/index.js';
import type { Report } from './report.js';

const TARGET = { median: 750, worst: 2000 };
const DHT_TARGET = { median: 4_000, worst: 8_000 };
const DHT_LATER_TARGET = { median: 8_000, worst: 8_000 };
const DHT_ROUGH_TARGET = { worst: 12_000 };
const DEADLINE_MS = 20_000;
const UP_SECONDS = [1, 3, 60] as const;
const KEEPALIVES = [0, 5, 25] as const;

interface Ready {
  readonly lab: Lab;
  readonly upAt: number;
}

async function open(keepaliveSeconds: number): Promise<Ready> {
  const wireguard = { keepaliveSeconds };
  const lab = await openLab({
    sides: { a: { wireguard }, b: { wireguard } },
    coturn: DEFAULT_STUN.map((_, i) => i + 1),
  });
  return { lab, upAt: performance.now() };
}

/** Infinity: no ping within 20 s. */
async function measure(ready: Ready, upSeconds: number, apartMs: number): Promise<number> {
  await using lab = ready.lab;
  const [a, b] = [lab.host('a'), lab.host('b')];
  await sleep(Math.max(0, ready.upAt + upSeconds * 1000 - performance.now()));
  let startedAt = performance.now();
  if (apartMs === 0) await Promise.all([a.startDaemon(), b.startDaemon()]);
  else {
    await a.startDaemon();
    await sleep(apartMs);
    startedAt = performance.now();
    await b.startDaemon();
  }
  return (await a.firstPing(b, { startedAt, deadlineMs: DEADLINE_MS })) ?? Number.POSITIVE_INFINITY;
}

export async function benchFirstPing(report: Report, runs: number): Promise<void> {
  report.title(`First ping: port-restricted pair, file store, refresh 10m, ${runs} runs each`);
  // The ones that must have been up for a minute wait while the others run.
  const longest = Math.max(...UP_SECONDS);
  const waiting = new Map<number, Ready[]>();
  for (const keepalive of KEEPALIVES) {
    waiting.set(keepalive, await Promise.all(Array.from({ length: runs }, () => open(keepalive))));
  }
  for (const up of UP_SECONDS) {
    for (const keepalive of KEEPALIVES) {
      const values: number[] = [];
      for (let run = 0; run < runs; run += 1) {
        const ready = (up === longest ? waiting.get(keepalive)?.shift() : undefined) ?? (await open(keepalive));
        values.push(await measure(ready, up, 0));
      }
      const what = `together, WireGuard up ${up} s before, keepalive ${keepalive}`;
      report.row({ what, values, unit: 'ms', target: TARGET });
    }
  }
  const values: number[] = [];
  for (let run = 0; run < runs; run += 1) values.push(await measure(await open(0), 1, 3000));
  report.row({ what: 'second daemon 3 s later, keepalive 0, from its start', values, unit: 'ms', target: TARGET });
}

/** Nothing but the DHT: thirty nodes on the internet of the laboratory. */
export async function benchDht(report: Report, runs: number): Promise<void> {
  report.title(`First ping: port-restricted pair, nothing but the DHT, ${runs} runs each`);
  const together: number[] = [];
  const later: number[] = [];
  const rough: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    together.push(await measureDht(0));
    later.push(await measureDht(60_000));
    rough.push(await measureDht(0, true));
  }
  report.row({ what: 'started together', values: together, unit: 'ms', target: DHT_TARGET });
  report.row({ what: 'second daemon 60 s later, from its start', values: later, unit: 'ms', target: DHT_LATER_TARGET });
  report.row({
    what: 'half of the nodes dead, 8 % loss, 60 to 180 ms',
    values: rough,
    unit: 'ms',
    target: DHT_ROUGH_TARGET,
  });
}

async function measureDht(apartMs: number, rough = false): Promise<number> {
  const { lab } = await open(0);
  await using closing = lab;
  const { plugin } = await startDht(closing, { rough });
  const options = { plugins: { folder: plugin } };
  const [a, b] = [closing.host('a'), closing.host('b')];
  let startedAt = performance.now();
  if (apartMs === 0) await Promise.all([a.startDaemon(options), b.startDaemon(options)]);
  else {
    await a.startDaemon(options);
    await sleep(apartMs);
    startedAt = performance.now();
    await b.startDaemon(options);
  }
  return (await a.firstPing(b, { startedAt, deadlineMs: DEADLINE_MS })) ?? Number.POSITIVE_INFINITY;
}
