/** How a NAT behaves (RFC 4787), in the words that discovery, records and verdicts share. */
import type { Clock, Endpoint, Family, StunmeshError } from '../api/index.js';
import type { PortAllocation } from '../record/path-code.js';
import type { Agent } from '../stun/agent.js';

/** RFC 4787 section 4.1; `none`: the host has its public address itself. */
export type MappingBehaviour =
  | 'none'
  | 'endpoint-independent'
  | 'address-dependent'
  | 'address-and-port-dependent'
  | 'unknown';

/** RFC 4787 section 5; of a host without NAT: that of the firewalls before it. */
export type FilteringBehaviour =
  | 'endpoint-independent'
  | 'address-dependent'
  | 'address-and-port-dependent'
  | 'unknown';

/** What one side must know of the other to foretell whether they connect; what a record tells. */
export interface NatSummary {
  readonly mapping: MappingBehaviour;
  readonly filtering: FilteringBehaviour;
  /** The carrier translates: our address on the way out, or the reflexive one, lies in 100.64.0.0/10 (RFC 6598). */
  readonly cgnat: boolean;
  /** Of a dependent mapping: how it chooses outer ports, by those that several destinations saw. */
  readonly allocation?: PortAllocation;
}

/** What one server saw of us. */
export interface ServerObservation {
  /** As configured. */
  readonly server: string;
  readonly address: Endpoint;
  /** Where it saw WireGuard's port. */
  readonly mapped: Endpoint;
  readonly rttMs: number;
}

export interface NatBehaviour extends NatSummary {
  readonly family: Family;
  /** Whether the outer port is WireGuard's own towards every server; undefined where no server answered. */
  readonly portPreserving: boolean | undefined;
  /** Of a dependent mapping whose outer ports go up (or down) by the same step from one destination to the next. */
  readonly allocationDelta?: number;
  /** True: the router that holds the public address is not the first one on the way. undefined: not visible. */
  readonly doubleNat: boolean | undefined;
  /** Where the first server that answered saw WireGuard's port. */
  readonly mapped: Endpoint | undefined;
  /** What the mapping was told by: both addresses of one server, several servers, or one, which tells only whether there is a NAT. */
  readonly how: 'rfc5780' | 'several-servers' | 'single';
  readonly observations: readonly ServerObservation[];
  /** Servers that gave no usable answer, by their names in the configuration. */
  readonly failures: ReadonlyMap<string, StunmeshError>;
  /** Servers whose answer contradicts that of at least two others, by their names. */
  readonly outliers: readonly string[];
  /** Sentences for people: what could not be told, and why; no secrets. */
  readonly reasons: readonly string[];
}

export interface NatParts {
  /** Its socket is held while the questions last. */
  readonly agent: Agent;
  resolve(host: string, family: Family, signal: AbortSignal): Promise<readonly string[]>;
  /** Why this address must not be asked, e.g. because its route leaves by the tunnel (F19). */
  refuseServer?(address: string): Promise<string | undefined>;
  readonly clock: Clock;
}

export interface NatOptions {
  readonly family: Family;
  /** WireGuard's listen port. */
  readonly listenPort: number;
  /** "host:port", "192.0.2.1:port", "[2001:db8::1]:port". */
  readonly servers: readonly string[];
  /** This host's addresses: a mapped address among them means that there is no NAT in front (F7). */
  readonly ownAddresses: readonly string[];
  /** Those of the tunnel itself, where nobody outside can have seen us. */
  readonly tunnelAddresses?: readonly string[];
  /** Addresses that packets went to from WireGuard's port within the last minutes, e.g. the peers': the NAT may still let
   * them in, so that their packets tell nothing about its filtering. The servers themselves need not be named. */
  readonly contacted?: readonly string[];
  /** false: no CHANGE-REQUEST is sent, and filtering stays unknown. Default: true. */
  readonly filtering?: boolean;
  /** The address that packets to the servers leave by (routeTo); other interfaces' addresses tell nothing of this way. */
  readonly sourceAddress?: string;
  /** Hops to the router that holds the reflexive address, e.g. measureDistance; not called where there is no NAT. */
  distance?(mapped: Endpoint): Promise<number | undefined>;
  /** The capture sees packets before this host's own firewall does (BSD): what arrives need not reach WireGuard. */
  readonly beforeFirewall?: boolean;
  readonly signal: AbortSignal;
}
