/** Opens a laboratory: namespaces, links, NATs, servers and WireGuard devices, and takes all of it down again. */
import { lstatSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { findCoturn } from './aside.js';
import type { Daemon } from './daemon.js';
import { Host, type LabContext } from './host.js';
import { createKeyPair, createPair, type KeyPair } from './keys.js';
import { planSides, routersOf, type SidePlan } from './plan.js';
import { LabProcess, must, run, type SpawnOptions } from './processes.js';
import { type ProviderPlan, planProviders, providerScript, startDelay } from './provider.js';
import { nextLabName, register, removeNamespacesSync, unregister } from './registry.js';
import { decoyScript, hostScript, linkBatch, namespacesOf, publicScript, routerScript } from './scripts.js';
import { type LabSpec, PUBLIC_ADDRESSES, PUBLIC_ADDRESSES6 } from './spec.js';
import { uapiPath } from './uapi.js';
import { until } from './wait.js';

/** The repository's root, from test/dist/e2e/lab. */
export const REPOSITORY = resolve(import.meta.dirname, '../../../..');

export class Lab implements LabContext, AsyncDisposable {
  readonly name: string;
  /** A temporary folder, removed at the end: per host its configurations and logs. */
  readonly dir: string;
  /** The folder that is the store of all hosts. */
  readonly storeDir: string;
  readonly publicNamespace: string;
  readonly daemonCommand: readonly string[];
  readonly hosts = new Map<string, Host>();
  readonly plans: readonly SidePlan[];
  /** The routed hops next to the NATs; empty where all are on one segment. */
  readonly providers: readonly ProviderPlan[];
  readonly #processes = new Set<LabProcess>();
  #closed: Promise<void> | undefined;

  constructor(name: string, dir: string, spec: LabSpec) {
    this.name = name;
    this.dir = dir;
    this.storeDir = join(dir, 'store');
    this.publicNamespace = `${name}-pub`;
    this.daemonCommand = spec.daemonCommand ?? [process.execPath, join(REPOSITORY, 'packages/core/dist/cli/main.js')];
    this.plans = planSides(name, spec.sides);
    this.providers = planProviders(name, this.plans, spec);
  }

  host(name: string): Host {
    const host = this.hosts.get(name);
    if (host === undefined) throw new Error(`the laboratory has no host ${name}`);
    return host;
  }

  get namespaces(): readonly string[] {
    return namespacesOf(this.publicNamespace, this.plans, this.providers);
  }

  /** A process that ends with the laboratory at the latest. */
  spawn(namespace: string | undefined, argv: readonly string[], options?: SpawnOptions): LabProcess {
    const child = new LabProcess(namespace, argv, options);
    this.#processes.add(child);
    child.exited.then(() => this.#processes.delete(child));
    return child;
  }

  /** Runs coturn as one process on public addresses 203.0.113.N and 2001:db8:ffff::N; ready when this resolves. */
  async startCoturn(numbers: readonly number[]): Promise<LabProcess> {
    const { program, env } = await findCoturn();
    const folder = join(this.dir, `coturn-${numbers.join('-')}`);
    await mkdir(folder, { recursive: true });
    const addresses = numbers.flatMap((n) => [PUBLIC_ADDRESSES[n - 1] ?? '', PUBLIC_ADDRESSES6[n - 1] ?? '']);
    const argv = [
      program,
      '-c',
      '/dev/null',
      '--stun-only',
      '--no-auth',
      '--no-cli',
      '--no-tls',
      '--no-dtls',
      '--no-tcp',
    ];
    argv.push('--log-file', 'stdout', '--simple-log', '--pidfile', join(folder, 'pid'), '-b', join(folder, 'turndb'));
    argv.push('-m', '1', '-p', '3478', ...addresses.flatMap((address) => ['-L', address]));
    const server = this.spawn(this.publicNamespace, argv, { env, cwd: folder, logFile: join(folder, 'log') });
    await until(async () => (await boundUdpPorts(server)).filter((port) => port === 3478).length >= addresses.length, {
      what: 'coturn to listen',
      pollMs: 10,
    });
    return server;
  }

  /** Counts packets by tcpdump; ready to count when this resolves. */
  async countPackets(namespace: string, device: string, filter: string): Promise<PacketCount> {
    const argv = ['tcpdump', '-n', '-l', '-Z', 'root', '--immediate-mode', '-i', device, filter];
    const dump = this.spawn(namespace, argv);
    await until(() => dump.stderr.includes('listening on') || !dump.running, { what: 'tcpdump to listen' });
    if (!dump.running) throw new Error(`tcpdump: ${dump.stderr}`);
    return {
      lines: () => dump.stdout.split('\n').filter((line) => line !== ''),
      [Symbol.asyncDispose]: () => dump.kill(),
    };
  }

  daemons(): readonly Daemon[] {
    return [...this.hosts.values()].flatMap((host) => host.daemons);
  }

  /** The ends of all daemons' logs, for a failed test. */
  logTails(characters = 4000): string {
    const parts: string[] = [];
    for (const host of this.hosts.values()) {
      host.daemons.forEach((daemon, i) => {
        parts.push(`--- ${host.name}, daemon ${i + 1} ---\n${daemon.log().slice(-characters)}`);
      });
    }
    return parts.join('\n');
  }

  tearDownSync(): void {
    for (const child of this.#processes) child.signal('SIGKILL');
    removeNamespacesSync(this.namespaces);
    for (const host of this.hosts.values()) rmSync(uapiPath(host.device), { force: true });
    rmSync(this.dir, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#processes].map((child) => child.kill()));
    const input = this.namespaces.map((name) => `netns del ${name}\n`).join('');
    await run(undefined, ['ip', '-force', '-batch', '-'], { input });
    await rm(this.dir, { recursive: true, force: true, maxRetries: 3 });
    // In Node 20 fs.rm leaves "a socket" where the next import() reads what a symlink is (runtime/remove-file): a package that is
    // linked would be loaded by the symlink's path, and find nothing that it depends on.
    lstatSync(tmpdir());
    for (const host of this.hosts.values()) rmSync(uapiPath(host.device), { force: true });
    unregister(this);
  }
}

export interface PacketCount extends AsyncDisposable {
  /** One line of tcpdump per packet so far. */
  lines(): readonly string[];
}

/** Opens the laboratory that `spec` describes; dispose it, or let the process end, and nothing of it is left. Needs root. */
export async function openLab(spec: LabSpec): Promise<Lab> {
  const name = nextLabName();
  const dir = await mkdtemp(join(tmpdir(), `${name}-`));
  let lab: Lab;
  try {
    lab = new Lab(name, dir, spec);
  } catch (error) {
    await rm(dir, { recursive: true });
    throw error;
  }
  register(lab, spec.handleSignals ?? true);
  try {
    await furnish(lab, spec);
    return lab;
  } catch (error) {
    await lab[Symbol.asyncDispose]();
    throw error;
  }
}

/** Slots of five minutes begin where the seconds since 1970 and the pair's seed add up to a multiple of 300. */
function pairWithSlotIn(seconds: number): readonly KeyPair[] {
  const from = Math.floor(Date.now() / 1_000) + seconds;
  return createPair((seed) => (300 - ((from + (seed % 300)) % 300)) % 300 <= 10);
}

async function furnish(lab: Lab, spec: LabSpec): Promise<void> {
  await mkdir(lab.storeDir, { mode: 0o700 });
  const { slotInSeconds } = spec;
  const keys =
    slotInSeconds === undefined
      ? []
      : lab.plans.flatMap((_, at) => (at % 2 === 0 ? pairWithSlotIn(slotInSeconds) : []));
  for (const [at, plan] of lab.plans.entries()) {
    lab.hosts.set(plan.name, new Host(lab, plan, keys[at] ?? createKeyPair()));
    await mkdir(join(lab.dir, plan.name), { recursive: true });
  }
  await must(undefined, ['ip', '-batch', '-'], { input: linkBatch(lab.publicNamespace, lab.plans, lab.providers) });
  const script = (namespace: string, input: string) => must(namespace, ['sh', '-s'], { input });
  await Promise.all([
    script(lab.publicNamespace, publicScript(lab.plans)).then(async () => {
      if ((spec.coturn?.length ?? 0) > 0) await lab.startCoturn(spec.coturn ?? []);
    }),
    ...routersOf(lab.plans).map((router) => script(router.namespace, routerScript(router))),
    ...lab.providers.map((provider) => script(provider.namespace, providerScript(provider))),
    ...lab.plans.map(async (side) => {
      if (side.decoy) await script(side.decoy.namespace, decoyScript(side.decoy.address));
      await script(side.namespace, hostScript(side));
      if (side.spec.wireguard !== false && side.spec.wireguard?.atStart !== false)
        await lab.host(side.name).createDevice();
    }),
  ]);
  await startDelay(lab, lab.providers);
}

/** UDP ports that are bound in a process's network namespace, one entry a socket. */
async function boundUdpPorts(child: LabProcess): Promise<number[]> {
  if (!child.running) throw new Error(`${child.argv[0]} ended: ${child.stdout.slice(-500)}${child.stderr.slice(-500)}`);
  const tables = await Promise.all(['udp', 'udp6'].map((table) => readFile(`/proc/${child.pid}/net/${table}`, 'utf8')));
  const ports: number[] = [];
  for (const line of tables.join('\n').split('\n')) {
    const port = /^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) /.exec(line)?.[1];
    if (port !== undefined) ports.push(Number.parseInt(port, 16));
  }
  return ports;
}
