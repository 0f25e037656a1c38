/** Kernel WireGuard: in a virtual machine with Debian's kernel, or directly where this kernel has the module. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { missingForLab, REPOSITORY, run } from '../e2e/lab/index.js';
import { SCENARIOS } from './scenario-names.js';

const LIMIT_SECONDS = 540;
/** run-in-vm.sh: this machine cannot run it. */
const CANNOT = 69;

interface Outcome {
  readonly where: string;
  readonly output: string;
  /** Why nothing could run. */
  readonly skip?: string;
}

let outcome: Outcome;
let logs: string;

before(async () => {
  logs = await mkdtemp(join(tmpdir(), 'stunmesh-kernel-'));
  outcome = await runScenarios();
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

async function runScenarios(): Promise<Outcome> {
  const missing = missingForLab();
  if (missing !== undefined) return { where: 'nowhere', output: '', skip: missing };
  const scenario = [process.execPath, join(REPOSITORY, 'test/dist/vm/kernel-scenario.js')];
  const timeoutMs = LIMIT_SECONDS * 1000;
  if (await kernelHasWireGuard()) {
    const { stdout, stderr } = await run(undefined, scenario, { env: { OUT: logs }, timeoutMs });
    return { where: "this machine's kernel", output: stdout + stderr };
  }
  const { code, stdout, stderr } = await run(
    undefined,
    [join(REPOSITORY, 'test/vm/run-in-vm.sh'), scenario.join(' ')],
    { cwd: REPOSITORY, env: { VM_OUT: logs, VM_TIMEOUT: String(LIMIT_SECONDS - 20) }, timeoutMs },
  );
  const output = stdout + stderr;
  return {
    where: "a virtual machine with Debian's kernel",
    output,
    ...(code === CANNOT && { skip: `no VM: ${output.trim()}` }),
  };
}

/** Asked by making a device, in a namespace of its own: that is what loads the module where there is one. */
async function kernelHasWireGuard(): Promise<boolean> {
  const probe = await run(undefined, ['unshare', '--net', 'ip', 'link', 'add', 'probe', 'type', 'wireguard']);
  return probe.code === 0;
}
