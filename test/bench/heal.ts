/** How fast a pair connects and heals: each row of the promise beside its target. */
import { ALL, LONG, type Scenario } from '../e2e/heal-scenarios.js';
import { openLab } from '../e2e/lab/index.js';
import type { Report } from './report.js';

/** `only`: parts of names; empty: all. */
export async function benchHeal(report: Report, runs: number, only: readonly string[] = []): Promise<void> {
  const wanted = ({ name }: Scenario) => only.length === 0 || only.some((part) => name.includes(part));
  report.title(`Connecting and healing, ${runs} runs each`);
  for (const scenario of ALL.filter(wanted)) await row(report, runs, scenario);
  report.title('The same, rows that take a minute: once each');
  for (const scenario of LONG.filter(wanted)) await row(report, 1, scenario);
}

async function row(report: Report, runs: number, scenario: Scenario): Promise<void> {
  const values: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    await using lab = await openLab(scenario.spec);
    values.push(await scenario.measure(lab, scenario.limitMs * 2));
  }
  report.row({ what: scenario.name, values, unit: 'ms', target: scenario.targetMs });
}
