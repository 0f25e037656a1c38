/** Runs a test file as root in a network namespace of its own, with a far side in another one. */
import { type ChildProcess, execFileSync, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Endpoint } from '@stunmesh/core/api';
import { createInbox } from '@stunmesh/core/conformance';
import type { FarOrder, FarReport } from './far-side.js';

const MARK = 'STUNMESH_TEST_NAMESPACE';
/** A safety net: it ends by itself where the far side ends. */
const PATIENCE_MS = 60_000;

/** Whether the optional package is there, with an addon for this very Node. */
async function capMissing(): Promise<string | undefined> {
  try {
    const name = 'cap';
    await import(name);
    return undefined;
  } catch {
    return 'needs the optional package cap (libpcap-dev and g++ at install)';
  }
}

async function whyNot(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'needs Linux';
  if (process.getuid?.() !== 0) return 'needs root for network namespaces and raw sockets';
  if (spawnSync('unshare', ['-n', 'true']).status !== 0) return 'needs unshare(1) and leave to make namespaces';
  return capMissing();
}

/** Why tests here cannot run; undefined: they can. */
export const cannotRun: string | undefined = await whyNot();

/** True in the copy of the file that runs inside a new namespace, which the outer one starts; also where none can be had: then
 * every test skips with `cannotRun`. */
export function inNamespace(file: string): boolean {
  if (cannotRun !== undefined || process.env[MARK] === file) return true;
  const child = spawnSync('unshare', ['-n', process.execPath, ...process.execArgv, fileURLToPath(file)], {
    stdio: 'inherit',
    env: { ...process.env, [MARK]: file },
  });
  process.exitCode = child.status ?? 1;
  return false;
}

/** One ip(8) or the like, in this namespace. */
export function run(command: string): string {
  const [file = '', ...args] = command.split(' ');
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Rules for nft(8). */
export function nft(rules: string): void {
  execFileSync('nft', ['-f', '-'], { input: rules, stdio: ['pipe', 'pipe', 'pipe'] });
}

/** A link to the far side: a veth pair, or a tunnel without link headers (`sit`, `gre`: raw IP) over another one. */
export interface Link {
  readonly name: string;
  /** With prefix length, "192.0.2.1/24". */
  readonly near: readonly string[];
  readonly far: readonly string[];
}

/** The far side: a namespace that lives as long as its process. */
export interface FarSide extends AsyncDisposable {
  /** Sends from its UDP socket on that address. */
  send(from: string, message: Uint8Array, to: Endpoint): Promise<void>;
  /** The next UDP datagram at any of its sockets, in order. */
  received(): Promise<Extract<FarReport, { kind: 'received' }>>;
  listen(address: string, port: number): Promise<void>;
  run(command: string): Promise<void>;
  /** Makes a veth pair, or makes it again, with addresses and a UDP socket on each far one. */
  connect(link: Link, port: number): Promise<void>;
}

export async function openFarSide(): Promise<FarSide> {
  run('ip link set lo up');
  const child = fork(fileURLToPath(new URL('far-side.js', import.meta.url)), [], {
    execPath: 'unshare',
    execArgv: ['-n', process.execPath],
    serialization: 'advanced',
  });
  const done = createInbox<FarReport>(PATIENCE_MS);
  const arrived = createInbox<Extract<FarReport, { kind: 'received' }>>(PATIENCE_MS);
  child.on('message', (message) => {
    const report = message as FarReport;
    if (report.kind === 'received') arrived.push(report);
    else done.push(report);
  });
  let orders = 0;
  let taken = 0;
  const gone = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`the far side has ended (${code ?? signal})`);
  });
  gone.catch(() => {});
  await Promise.race([done.at(0, 'the far side'), gone]);
  const order = async (message: FarOrder): Promise<void> => {
    orders += 1;
    const mine = orders;
    child.send(message);
    await Promise.race([done.at(mine, JSON.stringify(message).slice(0, 200)), gone]);
  };
  const far: FarSide = {
    send: (from, message, to) => order({ kind: 'send', from, message, to }),
    received() {
      taken += 1;
      return arrived.at(taken - 1, 'a datagram on the far side');
    },
    listen: (address, port) => order({ kind: 'listen', address, port }),
    run: (command) => order({ kind: 'run', command }),
    async connect({ name, near, far: theirs }, port) {
      run(`ip link add ${name} type veth peer name ${name} netns ${child.pid}`);
      for (const address of near) run(addAddress(address, name));
      run(`ip link set ${name} up`);
      for (const address of theirs) await far.run(addAddress(address, name));
      await far.run(`ip link set ${name} up`);
      for (const address of theirs) await far.listen(address.replace(/\/.*/, ''), port);
    },
    [Symbol.asyncDispose]: () => end(child),
  };
  await far.run('ip link set lo up');
  return far;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** Without duplicate address detection, which would keep an IPv6 address from use for a moment. */
export function addAddress(address: string, device: string): string {
  return `ip address add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`;
}
