/** The first ping of every pair of NATs that plain hole punching connects, both daemons started together. */
import { openLab } from '../e2e/lab/index.js';
import { NAT_PAIRS } from '../e2e/lab/steps/nat-pairs.js';
import type { Report, Target } from './report.js';

const TARGET: Target = { median: 750, worst: 2_000 };
const DEADLINE_MS = 20_000;

export async function benchNats(report: Report, runs: number): Promise<void> {
  report.title(`First ping by pairs of NATs, file store, ${runs} runs each`);
  for (const { a, b } of NAT_PAIRS.filter(({ connects }) => connects)) {
    const values: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      await using lab = await openLab({ sides: { a: { nats: [a] }, b: { nats: [b] } }, coturn: [1, 2] });
      const [one, two] = [lab.host('a'), lab.host('b')];
      const startedAt = performance.now();
      await Promise.all([one.startDaemon(), two.startDaemon()]);
      values.push((await one.firstPing(two, { startedAt, deadlineMs: DEADLINE_MS })) ?? Number.POSITIVE_INFINITY);
    }
    report.row({ what: `${a} and ${b}`, values, unit: 'ms', target: TARGET });
  }
}
