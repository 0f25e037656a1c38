/** Kernel WireGuard by netlink: what a minute costs in which the only peer is away. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runOnKernel } from './run-on-kernel.js';

test('a minute in which the only peer is away: no process is started, and less processor time is taken than by wg(8)', async (t) => {
  const out = await mkdtemp(join(tmpdir(), 'stunmesh-minute-'));
  t.after(() => rm(out, { recursive: true, force: true }));
  const { where, output, skip } = await runOnKernel('unsettled-minute', out, true);
  if (skip !== undefined) return t.skip(skip);
  assert.match(output, /^# wg\(8\): .*, netlink: /m, `${where}: ${output.slice(-3000)}`);
  assert.doesNotMatch(output, /FAILED/, `${where}: ${output}`);
  t.diagnostic(`${where}: ${output.trim()}`);
});
