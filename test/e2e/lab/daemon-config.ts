/** The configuration of a laboratory daemon, made from a few options. */
import type { Host, LabContext } from './host.js';

export interface DaemonConfigOptions {
  /** Default '10m': nothing but triggers should be needed. */
  readonly refreshInterval?: string;
  /** Default: ["203.0.113.1:3478", "203.0.113.2:3478"]. */
  readonly stun?: readonly string[];
  /** Default: `folder`, the laboratory's shared folder, by store-file. */
  readonly plugins?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Of the device; default ipv4. */
  readonly protocol?: 'ipv4' | 'ipv6' | 'dualstack';
  /** Of each peer; default: 'ipv6' for an ipv6 device, 'prefer_ipv4' for dualstack, else 'ipv4'. */
  readonly peerProtocol?: 'ipv4' | 'ipv6' | 'prefer_ipv4' | 'prefer_ipv6';
  /** Names of hosts; default: all others. */
  readonly peers?: readonly string[];
  /** Members of single peers, e.g. { b: { plugin: 'slow' } }. */
  readonly peerOverrides?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Further members of the device, e.g. { port_mapping: 'auto' }. */
  readonly device?: Readonly<Record<string, unknown>>;
  /** Further members of the configuration, which win. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

export const DEFAULT_STUN: readonly string[] = ['203.0.113.1:3478', '203.0.113.2:3478'];

/** WIRE.md section 2 as an object; JSON is YAML. */
export function daemonConfig(host: Host, lab: LabContext, options: DaemonConfigOptions = {}): Record<string, unknown> {
  const protocol = options.protocol ?? 'ipv4';
  const peerProtocol = options.peerProtocol ?? (protocol === 'dualstack' ? 'prefer_ipv4' : protocol);
  const peers: Record<string, unknown> = {};
  for (const peer of lab.hosts.values()) {
    if (peer === host || peer.plan.spec.wireguard === false) continue;
    if (options.peers !== undefined && !options.peers.includes(peer.name)) continue;
    peers[peer.name] = {
      public_key: peer.keys.publicKey,
      plugin: 'folder',
      protocol: peerProtocol,
      ...options.peerOverrides?.[peer.name],
    };
  }
  return {
    refresh_interval: options.refreshInterval ?? '10m',
    run_dir: host.runDir,
    state_dir: host.stateDir,
    log: { level: 'debug' },
    stun: { addresses: options.stun ?? DEFAULT_STUN },
    plugins: options.plugins ?? { folder: { type: 'builtin', name: 'file', path: lab.storeDir } },
    interfaces: { [host.device]: { protocol, ...options.device, peers } },
    ...options.extra,
  };
}
