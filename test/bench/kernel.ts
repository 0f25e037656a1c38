/** One peer that is away on a device of the kernel: what a minute costs by netlink, beside wg(8). */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runOnKernel } from '../vm/run-on-kernel.js';
import type { Report } from './report.js';

interface Minute {
  readonly processorMs: number;
  readonly wgStarts: number;
}

export async function benchKernel(report: Report): Promise<void> {
  const out = await mkdtemp(join(tmpdir(), 'stunmesh-bench-'));
  const { where, output, skip } = await runOnKernel('unsettled-minute', out, true);
  await rm(out, { recursive: true, force: true });
  report.title(`One peer on a kernel device, a minute in which it is away (${where})`);
  const found = /^# wg\(8\): (\{.*?\}), netlink: (\{.*?\})$/m.exec(output);
  if (!found) return report.missing('processor time, processes', skip ?? output.slice(-300));
  const [byTool, byNetlink] = found.slice(1).map((text) => JSON.parse(text) as Minute) as [Minute, Minute];
  report.row({ what: 'processor time by wg(8)', values: [byTool.processorMs], unit: 'ms' });
  report.row({ what: 'processor time by netlink', values: [byNetlink.processorMs], unit: 'ms' });
  const share = (100 * byNetlink.processorMs) / byTool.processorMs;
  report.row({ what: 'share of what wg(8) costs', values: [share], unit: '%', target: 50 });
  report.row({ what: 'processes started by wg(8)', values: [byTool.wgStarts], unit: 'times' });
  report.row({ what: 'processes started by netlink', values: [byNetlink.wgStarts], unit: 'times', target: 0 });
}
