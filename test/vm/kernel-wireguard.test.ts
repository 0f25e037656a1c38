/** Kernel WireGuard: in a virtual machine with Debian's kernel, or directly where this kernel has the module. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Outcome, runOnKernel } from './run-on-kernel.js';
import { SCENARIOS } from './scenario-names.js';

let outcome: Outcome;
let logs: string;

before(async () => {
  logs = await mkdtemp(join(tmpdir(), 'stunmesh-kernel-'));
  outcome = await runOnKernel('kernel-scenario', logs);
});

after(() => rm(logs, { recursive: true, force: true }));

for (const [index, [name, what]] of Object.entries(SCENARIOS).entries()) {
  test(`kernel: ${what}`, async (t) => {
    if (outcome.skip !== undefined) return t.skip(outcome.skip);
    const line = new RegExp(`^(ok|not ok) ${index + 1} - ${name}\\b.*$`, 'm').exec(outcome.output);
    if (!line) assert.fail(`${outcome.where}: not reached${index === 0 ? `\n${outcome.output.slice(-3000)}` : ''}`);
    if (line[1] !== 'ok') assert.fail(`${outcome.where}: ${line[0]}\n${await daemonLogs()}`);
    t.diagnostic(`${outcome.where}: ${line[0]}`);
  });
}

async function daemonLogs(): Promise<string> {
  return (await readFile(join(logs, 'daemons.log'), 'utf8').catch(() => 'no logs')).slice(-6000);
}
