/** The configuration as the rest of the program sees it: checked, complete, in milliseconds. */
import type { Endpoint } from '../api/endpoint.js';
import type { PublicKey } from '../api/keys.js';
import type { Prefix } from '../net/address.js';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
/** Which families an interface publishes. */
export type InterfaceProtocol = 'ipv4' | 'ipv6' | 'dualstack';
/** Which of a peer's addresses is used. */
export type PeerProtocol = 'ipv4' | 'ipv6' | 'prefer_ipv4' | 'prefer_ipv6';

export interface PingConfig {
  readonly enabled: boolean;
  /** An address or a host name; always there when enabled. */
  readonly target?: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

export interface PeerConfig {
  readonly name: string;
  readonly publicKey: PublicKey;
  /** Names of store instances, all defined in Config.plugins; at least one, none twice. */
  readonly plugins: readonly string[];
  readonly protocol: PeerProtocol;
  readonly description?: string;
  readonly ping: PingConfig;
  /** Instead of the interface's. */
  readonly hardNat?: HardNat;
}

/** When the socket for checks of peers is open. */
export type CheckListen = 'always' | 'auto' | 'unsettled';

/** How a router is asked for a port; in the order in which it is. */
export type PortmapProtocol = 'pcp' | 'nat-pmp' | 'upnp';

/** What is sent where one side's NAT has another port for each destination. */
export type HardNat = 'off' | 'predicted' | 'full';

export interface InterfaceConfig {
  /** A device name that is safe inside a file name. */
  readonly name: string;
  readonly protocol: InterfaceProtocol;
  readonly peers: ReadonlyMap<string, PeerConfig>;
  readonly listenInterfaces: readonly string[];
  readonly listenDefaultRoute: boolean;
  /** Whether LAN addresses are told and tried: on links of this host (true), inside these prefixes too, or not at all. */
  readonly lan: boolean | readonly Prefix[];
  /** "host:port" of further ways in. */
  readonly advertise: readonly string[];
  readonly checkListen: CheckListen;
  /** Whether a tunnel that works is moved to a better path. */
  readonly upgrade: boolean;
  /** Empty: no router is asked. */
  readonly portMapping: readonly PortmapProtocol[];
  readonly hardNat: HardNat;
  /** FreeBSD's routing table number, where the file gives one. */
  readonly fib?: number;
}

export interface PluginConfig {
  readonly name: string;
  readonly type: 'builtin' | 'exec' | 'shell';
  /** What `name` says in a builtin: a short name, a package, or an absolute path. */
  readonly module?: string;
  /** The host's deadline of one call. */
  readonly timeoutMs: number;
  /** All further keys, top-level names in lower case. Of builtins unchecked: the module's own schema decides (see checkSettings). */
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface MetricsConfig {
  readonly listen: Endpoint;
  /** Whether a page for people is served there too. */
  readonly page: boolean;
}

export interface Config {
  /** Absolute path. */
  readonly file: string;
  readonly refreshIntervalMs: number;
  readonly log: { readonly level: LogLevel; readonly format: 'console' | 'json' };
  /** "host:port", "192.0.2.1:port" or "[2001:db8::1]:port"; at least one, none twice. */
  readonly stun: { readonly addresses: readonly string[] };
  readonly pingMonitor: { readonly intervalMs: number; readonly timeoutMs: number; readonly fixedRetries: number };
  readonly interfaces: ReadonlyMap<string, InterfaceConfig>;
  readonly plugins: ReadonlyMap<string, PluginConfig>;
  /** auto, linux, bsd, or a package. */
  readonly capture: string;
  readonly runDir: string;
  readonly stateDir: string;
  /** Where metrics are served by HTTP; absent: nowhere. */
  readonly metrics?: MetricsConfig;
  /** Whether a peer may be removed and added again to shake hands at once (F18b). */
  readonly renew: boolean;
  /** Whether the NATs' behaviour is found out, and told in records. */
  readonly natCheck: boolean;
  /** How often the mapping is looked at between refreshes; 0: never. */
  readonly mappingCheckMs: number;
}

/** Keys and list positions from the top of the file. */
export type Path = readonly (string | number)[];

export interface LoadedConfig {
  readonly config: Config;
  /** Sentences for the log, each with file:line:column where it has one. */
  readonly warnings: readonly string[];
  /** "file:line:column: a.b.c" of the value at `path`, or of the nearest that the file has. */
  explain(path: Path): string;
  /** A plugin's settings by its module's own JSON Schema: converted (key case, weak types, defaults) and checked as the rest of the file is.
   * Errors: ERR_CONFIG_INVALID with file:line:column; whatever ajv throws when the schema itself is wrong. */
  checkSettings(plugin: string, schema: object): Promise<Readonly<Record<string, unknown>>>;
}
