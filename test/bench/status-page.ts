/** The page for people with 500 peers: how soon it is complete in Chromium, what it weighs, and what its answers cost the daemon. */
import { missingChromium, openChromium } from '../e2e/page/steps/chromium.js';
import { loadTimes } from '../e2e/page/steps/complete.js';
import { serveCrowd } from '../e2e/page/steps/crowd.js';
import type { Report } from './report.js';

const PEERS = 500;
const COMPLETE_MS = 1_000;
const MOST_KB = 300;

export async function benchStatusPage(report: Report, runs: number): Promise<void> {
  report.title(`The page of metrics with ${PEERS} peers in Chromium, ${runs} loads`);
  const missing = missingChromium();
  if (missing !== undefined) {
    report.missing('complete', missing);
    return;
  }
  await using served = await serveCrowd(PEERS);
  await using chromium = await openChromium();
  const values = await loadTimes(chromium, served.url, { loads: runs });
  report.row({ what: 'complete, from the start of the navigation', values, unit: 'ms', target: COMPLETE_MS });
  const bytes = await Promise.all(
    ['', 'status.json'].map(async (path) => {
      const response = await fetch(served.url + path, { headers: { 'accept-encoding': 'identity' } });
      return (await response.arrayBuffer()).byteLength;
    }),
  );
  const sum = bytes.reduce((all, one) => all + one, 0);
  report.row({ what: 'page and data, uncompressed', values: [sum / 1000], unit: 'kB', target: MOST_KB });
}
