/** Runs a program of this folder where there is kernel WireGuard: directly where this kernel has it, else in a virtual machine with Debian's kernel. */
import { join } from 'node:path';
import { missingForLab, REPOSITORY, run } from '../e2e/lab/index.js';

const LIMIT_SECONDS = 540;
/** run-in-vm.sh: this machine cannot run it. */
const CANNOT = 69;

export interface Outcome {
  readonly where: string;
  readonly output: string;
  /** Why nothing could run. */
  readonly skip?: string;
}

/** `program` is a file's name without its ending; what it writes into the folder $OUT goes to `out`. `alone`: it makes devices in the network
 * namespace in which it finds itself. */
export async function runOnKernel(program: string, out: string, alone = false): Promise<Outcome> {
  const missing = missingForLab();
  if (missing !== undefined) return { where: 'nowhere', output: '', skip: missing };
  const argv = [process.execPath, join(REPOSITORY, `test/dist/vm/${program}.js`)];
  const timeoutMs = LIMIT_SECONDS * 1000;
  if (await kernelHasWireGuard()) {
    const { stdout, stderr } = await run(undefined, alone ? ['unshare', '--net', ...argv] : argv, {
      env: { OUT: out },
      timeoutMs,
    });
    return { where: "this machine's kernel", output: stdout + stderr };
  }
  const { code, stdout, stderr } = await run(undefined, [join(REPOSITORY, 'test/vm/run-in-vm.sh'), argv.join(' ')], {
    cwd: REPOSITORY,
    env: { VM_OUT: out, VM_TIMEOUT: String(LIMIT_SECONDS - 20) },
    timeoutMs,
  });
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
