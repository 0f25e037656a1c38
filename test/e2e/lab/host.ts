/** A host of the laboratory: its WireGuard device, its router, its pings and its daemons. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Daemon } from './daemon.js';
import { type DaemonConfigOptions, daemonConfig } from './daemon-config.js';
import { createKeyPair, hexKey, type KeyPair } from './keys.js';
import { type FirstPingOptions, firstPing, type PingBurst, pingBurst } from './ping.js';
import { outermost, type SidePlan, wanAddress } from './plan.js';
import { type LabProcess, must, type RunOptions, type RunResult, run, type SpawnOptions } from './processes.js';
import { moveScript } from './scripts.js';
import type { WireGuardSpec } from './spec.js';
import { type DeviceState, deviceState, setEndpoint, uapi, uapiPath, uapiReady } from './uapi.js';
import { until } from './wait.js';

/** What a host needs of its laboratory. */
export interface LabContext {
  readonly dir: string;
  readonly storeDir: string;
  readonly daemonCommand: readonly string[];
  /** A process that the laboratory kills at its end. */
  spawn(namespace: string, argv: readonly string[], options?: SpawnOptions): LabProcess;
  /** Every host, by name. */
  readonly hosts: ReadonlyMap<string, Host>;
}

export interface DaemonOptions extends DaemonConfigOptions {
  /** Further arguments of the command, e.g. ['--oneshot', '--timeout', '5s']. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A whole configuration instead of the one made from the other options. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** The program, where it is another than the laboratory's. */
  readonly command?: readonly string[];
}

export class Host {
  readonly name: string;
  readonly plan: SidePlan;
  readonly namespace: string;
  /** The WireGuard device's name. */
  readonly device: string;
  readonly keys: KeyPair;
  /** Address of the tunnel's inside, 10.99.0.N. */
  readonly tunnelAddress: string;
  readonly tunnelAddress6: string;
  /** run_dir and state_dir of its daemons. */
  readonly runDir: string;
  readonly stateDir: string;
  /** The public address of its outermost router at this time. */
  publicAddress: string;
  /** Every daemon that was started here, in order. */
  readonly daemons: Daemon[] = [];
  readonly #lab: LabContext;
  #wireguard: LabProcess | undefined;
  #moves = 0;

  constructor(lab: LabContext, plan: SidePlan, keys: KeyPair) {
    this.#lab = lab;
    this.name = plan.name;
    this.plan = plan;
    this.namespace = plan.namespace;
    this.device = plan.device;
    this.keys = keys;
    this.tunnelAddress = plan.tunnelAddress;
    this.tunnelAddress6 = plan.tunnelAddress6;
    this.runDir = join(lab.dir, plan.name, 'run');
    this.stateDir = join(lab.dir, plan.name, 'state');
    this.publicAddress = outermost(plan).wanAddress;
  }

  /** Runs a command in the host to its end. */
  exec(argv: readonly string[], options?: RunOptions): Promise<RunResult> {
    return run(this.namespace, argv, options);
  }

  /** Starts a command in the host; it is killed with the laboratory. */
  spawn(argv: readonly string[], options?: SpawnOptions): LabProcess {
    return this.#lab.spawn(this.namespace, argv, options);
  }

  /** Makes the WireGuard device with its key, port, addresses and all other hosts as peers (or those named). */
  async createDevice(options: WireGuardSpec & { readonly peers?: readonly string[] } = {}): Promise<void> {
    const spec = { ...(this.plan.spec.wireguard || {}), ...options };
    this.#wireguard = this.#lab.spawn(this.namespace, ['wireguard-go', '-f', this.device], {
      env: { LOG_LEVEL: 'error' },
      logFile: join(this.#lab.dir, this.name, 'wireguard-go.log'),
    });
    await uapiReady(this.device);
    const lines = [
      'set=1',
      `private_key=${this.keys.secret.toString('hex')}`,
      `listen_port=${spec.listenPort ?? this.plan.listenPort}`,
    ];
    for (const peer of this.#lab.hosts.values()) {
      if (peer === this || peer.plan.spec.wireguard === false) continue;
      if (options.peers !== undefined && !options.peers.includes(peer.name)) continue;
      lines.push(`public_key=${hexKey(peer.keys.publicKey)}`);
      lines.push(`allowed_ip=${peer.tunnelAddress}/32`, `allowed_ip=${peer.tunnelAddress6}/128`);
      lines.push(`persistent_keepalive_interval=${spec.keepaliveSeconds ?? 0}`);
    }
    await uapi(this.device, lines.join('\n'));
    const batch = [
      `addr add ${this.tunnelAddress}/24 dev ${this.device}`,
      `addr add ${this.tunnelAddress6}/64 dev ${this.device} nodad`,
      `link set dev ${this.device} mtu 1420 up`,
    ];
    await must(undefined, ['ip', '-n', this.namespace, '-batch', '-'], { input: `${batch.join('\n')}\n` });
  }

  /** Adds peers that exist as keys alone, with 10.98.0.0/16 addresses: for scale, and for records made by hand. */
  async addPhantomPeers(count: number): Promise<readonly KeyPair[]> {
    const phantoms = Array.from({ length: count }, createKeyPair);
    const lines = phantoms.map(
      ({ publicKey }, i) => `public_key=${hexKey(publicKey)}\nallowed_ip=10.98.${i >> 8}.${i & 255}/32`,
    );
    await uapi(this.device, ['set=1', ...lines].join('\n'));
    return phantoms;
  }

  /** Deletes the device; its userspace process ends with it. */
  async deleteDevice(): Promise<void> {
    await must(undefined, ['ip', '-n', this.namespace, 'link', 'del', this.device]);
    await until(() => this.#wireguard?.running !== true, { what: 'wireguard-go to end' }).catch(() =>
      this.#wireguard?.kill(),
    );
    await rm(uapiPath(this.device), { force: true });
  }

  /** The device as its userspace socket shows it. */
  deviceState(): Promise<DeviceState> {
    return deviceState(this.device);
  }

  /** Sets a peer's endpoint by hand. */
  async setEndpoint(peer: Host, endpoint: string): Promise<void> {
    await setEndpoint(this.device, peer.keys.publicKey, endpoint);
  }

  /** Starts a daemon here; it does not wait for its control socket (waitFor does). */
  async startDaemon(options: DaemonOptions = {}): Promise<Daemon> {
    const number = this.daemons.length + 1;
    const folder = join(this.#lab.dir, this.name);
    const configFile = join(folder, `config-${number}.yaml`);
    await mkdir(folder, { recursive: true });
    const config = options.config ?? daemonConfig(this, this.#lab, options);
    await writeFile(configFile, `${JSON.stringify(config, undefined, 1)}\n`);
    const program = options.command ?? this.#lab.daemonCommand;
    const argv = [...program, '-c', configFile, '--log-format', 'json', ...(options.args ?? [])];
    const process = this.#lab.spawn(this.namespace, argv, {
      logFile: join(folder, `daemon-${number}.log`),
      ...(options.env !== undefined && { env: options.env }),
    });
    const daemon = new Daemon(process, join(this.runDir, `${this.device}.sock`), configFile);
    this.daemons.push(daemon);
    return daemon;
  }

  /** Milliseconds until a ping of another host's tunnel address is answered; undefined: not in time. */
  firstPing(to: Host, options?: FirstPingOptions & { readonly family?: 4 | 6 }): Promise<number | undefined> {
    return firstPing(this.namespace, options?.family === 6 ? to.tunnelAddress6 : to.tunnelAddress, options);
  }

  pingBurst(to: Host, count: number, intervalSeconds: number): Promise<PingBurst> {
    return pingBurst(this.namespace, to.tunnelAddress, count, intervalSeconds);
  }

  /** Its outermost router gets a new public IPv4 address and forgets all connections; the new address. */
  async move(): Promise<string> {
    const outer = outermost(this.plan);
    if (outer.kind === 'none') throw new Error(`${this.name} has a public address of its own and cannot move`);
    this.#moves += 1;
    const next = wanAddress(outer.index, this.#moves);
    await must(outer.namespace, ['sh', '-s'], { input: moveScript(outer, this.publicAddress, next) });
    for (const host of this.#lab.hosts.values()) if (outermost(host.plan) === outer) host.publicAddress = next;
    return next;
  }

  /** It joins another network: its link goes down and comes back with another address and gateway, behind a NAT with another
   * public address that knows none of its connections. For port-restricted and symmetric NATs, which forward no fixed address. */
  async joinOtherNetwork(): Promise<void> {
    const [router] = this.plan.routers;
    if (router === undefined || this.plan.routers.length > 1) throw new Error(`${this.name} needs one NAT to leave`);
    await must(this.namespace, ['ip', 'link', 'set', 'eth0', 'down']);
    await this.move();
    const network = `172.${15 + this.#moves}.${this.plan.index}`;
    const behind = [`addr flush dev lan`, `addr add ${network}.1/24 dev lan`];
    await must(router.namespace, ['ip', '-batch', '-'], { input: `${behind.join('\n')}\n` });
    const own = ['addr flush dev eth0 scope global', `addr add ${network}.2/24 dev eth0`, 'link set dev eth0 up'];
    own.push(`route add default via ${network}.1`);
    await must(this.namespace, ['ip', '-batch', '-'], { input: `${own.join('\n')}\n` });
  }

  /** All routers before it forget their connections, as after a reboot. */
  async flushConntrack(): Promise<void> {
    await Promise.all(this.plan.routers.map((router) => run(router.namespace, ['conntrack', '-F'])));
  }

  /** Drops UDP to and from a port: at the host (its sends fail with EPERM) or silently at its router. */
  async blockUdp(port: number, at: 'host' | 'router' = 'router'): Promise<void> {
    const drop = [`udp sport ${port} drop`, `udp dport ${port} drop`].join('\n');
    const chain = (name: string, hook: string): string =>
      `chain ${name} { type filter hook ${hook} priority -10; policy accept;\n${drop}\n}\n`;
    const chains =
      at === 'host' ? chain('outgoing', 'output') + chain('incoming', 'input') : chain('through', 'forward');
    await must(this.#blockNamespace(at), ['nft', '-f', '-'], { input: `table inet block${port} {\n${chains}}\n` });
  }

  async unblockUdp(port: number, at: 'host' | 'router' = 'router'): Promise<void> {
    await must(this.#blockNamespace(at), ['nft', 'delete', 'table', 'inet', `block${port}`]);
  }

  #blockNamespace(at: 'host' | 'router'): string {
    return at === 'host' ? this.namespace : (this.plan.routers[0]?.namespace ?? this.namespace);
  }
}
