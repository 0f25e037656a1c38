/**
 * `npm run bench [-- PART… [--runs N] [--page | --page-only]]`: prints numbers beside their targets, and keeps them in build/bench; exit status 1 where one
 * is missed. `--page` writes docs/measurements.md afterwards, with the last results of every part; `--page-only` does nothing else.
 */
import { parseArgs } from 'node:util';
import { missingForLab, sweepDeadLabs } from '../e2e/lab/index.js';
import { benchDht, benchFirstPing } from './first-ping.js';
import { benchHardNat, benchHardNatPredicted } from './hard-nat.js';
import { benchHeal, benchHealLong } from './heal.js';
import { benchIdle } from './idle.js';
import { benchKernel } from './kernel.js';
import { writeMeasurements } from './measurements/write.js';
import { benchNats } from './nats.js';
import { benchPaths, benchPathsLong } from './paths.js';
import { benchPeers } from './peers.js';
import { benchPortmap } from './portmap.js';
import { Report } from './report.js';
import { keepResults, partResults, readResults } from './results.js';
import { benchSocketCost } from './socket-cost.js';
import { benchStart } from './start.js';
import { benchStatusPage } from './status-page.js';
import { benchStores } from './stores.js';
import { benchWaiting } from './waiting.js';

const PARTS: Readonly<Record<string, (report: Report, runs: number) => Promise<void>>> = {
  'first-ping': benchFirstPing,
  idle: benchIdle,
  start: benchStart,
  nats: benchNats,
  peers: benchPeers,
  heal: benchHeal,
  stores: benchStores,
  socket: benchSocketCost,
  paths: benchPaths,
  'status-page': benchStatusPage,
};
/** Parts that run only when named. */
const LONG_PARTS: typeof PARTS = {
  'heal-long': benchHealLong,
  'paths-long': benchPathsLong,
  dht: benchDht,
  'hard-nat': benchHardNat,
  kernel: benchKernel,
  'hard-nat-predicted': benchHardNatPredicted,
  portmap: benchPortmap,
  waiting: benchWaiting,
};

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runs: { type: 'string', default: '5' },
      page: { type: 'boolean' },
      'page-only': { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const runs = Number(values.runs);
  const unknown = positionals.filter((name) => PARTS[name] === undefined && LONG_PARTS[name] === undefined);
  if (values.help || unknown.length > 0 || !Number.isInteger(runs) || runs < 1) {
    process.stdout.write(
      `usage: npm run bench [-- PART… [--runs N] [--page | --page-only]]; parts: ${Object.keys({ ...PARTS, ...LONG_PARTS }).join(', ')}\n`,
    );
    return values.help ? 0 : 2;
  }
  if (values['page-only'] === true) return writePage();
  const missing = missingForLab();
  if (missing !== undefined) {
    process.stdout.write(`the bench cannot run: ${missing}\n`);
    return 2;
  }
  sweepDeadLabs();
  let missed = 0;
  for (const [name, bench] of Object.entries({ ...PARTS, ...LONG_PARTS })) {
    const isWanted = positionals.length === 0 ? PARTS[name] !== undefined : positionals.includes(name);
    if (!isWanted) continue;
    const report = new Report();
    await bench(report, runs);
    missed += report.missed;
    keepResults(name, partResults(runs, report.sections));
  }
  const verdict = missed === 0 ? 'every target is met' : `${missed} target(s) missed`;
  process.stdout.write(`\n${verdict}\n`);
  if (values.page === true) writePage();
  return missed === 0 ? 0 : 1;
}

function writePage(): number {
  const files = writeMeasurements(readResults());
  process.stdout.write(`\ndocs/measurements.md and ${files} plots are written\n`);
  return 0;
}

process.exitCode = await main();
