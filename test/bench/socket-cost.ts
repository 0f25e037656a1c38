/** What an open STUN socket costs the host: the kernel hands it every UDP packet, and its filter drops nearly all of them. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { REPOSITORY } from '../e2e/lab/index.js';
import type { Report } from './report.js';

const SCRIPT = join(REPOSITORY, 'test/fixtures/e2e/socket-cost.mjs');
const TARGET_NS = 300;
const ROUND_MS = 60_000;

export async function benchSocketCost(report: Report, runs: number): Promise<void> {
  report.title('An open STUN socket, with the tags of 60 peers in its filter');
  const what = 'processor time for each UDP packet that the host receives';
  try {
    const { stdout } = await promisify(execFile)('unshare', ['-n', process.execPath, SCRIPT, String(runs)], {
      timeout: runs * ROUND_MS,
    });
    report.row({ what, values: JSON.parse(stdout) as number[], unit: 'ns', target: { median: TARGET_NS } });
  } catch (error) {
    report.missing(what, error instanceof Error ? error.message : String(error));
  }
}
