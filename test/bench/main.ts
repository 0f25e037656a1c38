/** `npm run bench [-- PART… [--runs N]]`: prints numbers beside their targets; exit status 1 where one is missed. */
import { parseArgs } from 'node:util';
import { missingForLab, sweepDeadLabs } from '../e2e/lab/index.js';
import { benchDht, benchFirstPing } from './first-ping.js';
import { benchHeal, benchHealLong } from './heal.js';
import { benchIdle } from './idle.js';
import { benchPaths, benchPathsLong } from './paths.js';
import { benchPeers } from './peers.js';
import { benchPortmap } from './portmap.js';
import { Report } from './report.js';
import { benchSocketCost } from './socket-cost.js';
import { benchStart } from './start.js';
import { benchStores } from './stores.js';

const PARTS: Readonly<Record<string, (report: Report, runs: number) => Promise<void>>> = {
  'first-ping': benchFirstPing,
  idle: benchIdle,
  start: benchStart,
  peers: benchPeers,
  heal: benchHeal,
  stores: benchStores,
  socket: benchSocketCost,
  paths: benchPaths,
};
/** Parts that run only when named. */
const LONG_PARTS: typeof PARTS = {
  'heal-long': benchHealLong,
  'paths-long': benchPathsLong,
  dht: benchDht,
  portmap: benchPortmap,
};

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { runs: { type: 'string', default: '5' }, help: { type: 'boolean', short: 'h' } },
  });
  const runs = Number(values.runs);
  const unknown = positionals.filter((name) => PARTS[name] === undefined && LONG_PARTS[name] === undefined);
  if (values.help || unknown.length > 0 || !Number.isInteger(runs) || runs < 1) {
    process.stdout.write(
      `usage: npm run bench [-- PART… [--runs N]]; parts: ${Object.keys({ ...PARTS, ...LONG_PARTS }).join(', ')}\n`,
    );
    return values.help ? 0 : 2;
  }
  const missing = missingForLab();
  if (missing !== undefined) {
    process.stdout.write(`the bench cannot run: ${missing}\n`);
    return 2;
  }
  sweepDeadLabs();
  const report = new Report();
  for (const [name, bench] of Object.entries(PARTS)) {
    if (positionals.length === 0 || positionals.includes(name)) await bench(report, runs);
  }
  for (const [name, bench] of Object.entries(LONG_PARTS)) if (positionals.includes(name)) await bench(report, runs);
  const verdict = report.missed === 0 ? 'every target is met' : `${report.missed} target(s) missed`;
  process.stdout.write(`\n${verdict}\n`);
  return report.missed === 0 ? 0 : 1;
}

process.exitCode = await main();
