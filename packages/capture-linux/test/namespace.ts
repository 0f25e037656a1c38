/** Runs a test file as root in a network namespace of its own, with a far side in another one behind a veth pair. */
import { type ChildProcess, execFileSync, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Endpoint } from '@stunmesh/core/api';
import type { FarOrder, FarReport } from './far-side.js';

const MARK = 'STUNMESH_TEST_NAMESPACE';

/** Why tests here cannot run; undefined: they can. */
export const cannotRun: string | undefined =
  process.platform !== 'linux'
    ? 'needs Linux'
    : process.getuid?.() !== 0
      ? 'needs root for network namespaces and raw sockets'
      : spawnSync('unshare', ['-n', 'true']).status !== 0
        ? 'needs unshare(1) and leave to make network namespaces'
        : undefined;

/** True in the copy of the file that runs inside a new namespace; the outer one starts that copy and takes over its exit code.
 * Where namespaces cannot be had it is true too: then every test skips with `cannotRun`. */
export function inNamespace(file: string): boolean {
  if (cannotRun !== undefined || process.env[MARK] === file) return true;
  const child = spawnSync('unshare', ['-n', process.execPath, ...process.execArgv, fileURLToPath(file)], {
    stdio: 'inherit',
    env: { ...process.env, [MARK]: file },
  });
  process.exitCode = child.status ?? 1;
  return false;
}

/** One ip(8), nft(8) or the like, in this namespace. */
export function run(command: string): string {
  const [file = '', ...args] = command.split(' ');
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Rules for nft(8). */
export function nft(rules: string): void {
  execFileSync('nft', ['-f', '-'], { input: rules, stdio: ['pipe', 'pipe', 'pipe'] });
}

/** The far side: an own namespace that lives as long as its process. */
export interface FarSide extends AsyncDisposable {
  /** Sends from one of its UDP sockets. */
  send(from: Endpoint, message: Uint8Array, to: Endpoint): Promise<void>;
  /** The next UDP datagram at any of its sockets, in order. */
  received(): Promise<Extract<FarReport, { kind: 'received' }>>;
  /** The next IPv4 packet with UDP as its raw socket saw it, in order; or IPv6's UDP header and payload. */
  seen(): Promise<Extract<FarReport, { kind: 'seen' }>>;
  /** One more UDP socket, on an address that its loopback gets, or on one of its own with a zone. */
  listen(address: string): Promise<void>;
  /** Runs one command over there. */
  run(command: string): Promise<void>;
}

export interface Link {
  readonly name: string;
  /** With prefix length, "192.0.2.1/24". */
  readonly near: readonly string[];
  readonly far: readonly string[];
}

/** Makes the far side: one veth pair for each link, and a UDP socket on each of its addresses and this port. */
export async function openFarSide(links: readonly Link[], port: number): Promise<FarSide> {
  run('ip link set lo up');
  const child = fork(fileURLToPath(new URL('far-side.js', import.meta.url)), [], {
    execPath: 'unshare',
    execArgv: ['-n', process.execPath],
    serialization: 'advanced',
  });
  const reports = createReports(child);
  await reports.next('ready');
  const addresses: string[] = [];
  for (const { name, near, far } of links) {
    run(`ip link add ${name} type veth peer name ${name} netns ${child.pid}`);
    for (const address of near) run(addAddress(address, name));
    run(`ip link set ${name} up`);
    for (const address of far) await order(child, reports, addAddress(address, name));
    await order(child, reports, `ip link set ${name} up`);
    addresses.push(...far.map((address) => address.replace(/\/.*/, '')));
  }
  const listen = async (on: readonly string[]) => {
    child.send({ kind: 'listen', addresses: on, port } satisfies FarOrder);
    await reports.next('done');
  };
  await listen(addresses);
  return {
    async listen(address) {
      if (!address.includes('%')) await order(child, reports, addAddress(address, 'lo'));
      await listen([address]);
    },
    async send(from, message, to) {
      child.send({ kind: 'send', from, message, to } satisfies FarOrder);
      await reports.next('done');
    },
    received: () => reports.next('received'),
    seen: () => reports.next('seen'),
    run: (command) => order(child, reports, command),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    },
  };
}

/** Without duplicate address detection, which would keep an IPv6 address from use for a moment. */
function addAddress(address: string, device: string): string {
  return `ip address add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`;
}

type Reports = ReturnType<typeof createReports>;

async function order(child: ChildProcess, reports: Reports, command: string): Promise<void> {
  child.send({ kind: 'run', command } satisfies FarOrder);
  await reports.next('done');
}

function createReports(child: ChildProcess) {
  const queues = new Map<string, FarReport[]>();
  let wake: (() => void)[] = [];
  let gone = false;
  const wakeAll = () => {
    const all = wake;
    wake = [];
    for (const resolve of all) resolve();
  };
  child.on('message', (message) => {
    const report = message as FarReport;
    queues.set(report.kind, [...(queues.get(report.kind) ?? []), report]);
    wakeAll();
  });
  child.on('exit', () => {
    gone = true;
    wakeAll();
  });
  return {
    async next<K extends FarReport['kind']>(kind: K): Promise<Extract<FarReport, { kind: K }>> {
      while (!queues.get(kind)?.length) {
        if (gone) throw new Error('the far side is gone');
        await new Promise<void>((resolve) => wake.push(resolve));
      }
      return queues.get(kind)?.shift() as Extract<FarReport, { kind: K }>;
    },
  };
}
