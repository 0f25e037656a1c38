/** What a laboratory looks like, as data: sides behind NATs around one public network. */

/** RFC 4787 names in the words of users: mapping and filtering are
 * none: no translation, no filter; full: endpoint-independent both; restricted: endpoint-independent, address-dependent;
 * port-restricted: endpoint-independent, address-and-port-dependent; symmetric: address-and-port-dependent both.
 * accept: port-restricted on a router that takes in what nobody asked for, as if it were its own: where the peer's packet comes first,
 * that packet's entry holds the port, and the mapping towards this peer gets another one.
 * sequential, block: symmetric; each new flow gets the port after the last one's, or any port of one block of 1,024. */
export type NatKind =
  | 'sequential'
  | 'block'
  | 'none'
  | 'full'
  | 'restricted'
  | 'port-restricted'
  | 'symmetric'
  | 'accept';

/** Whose mapping does not depend on who sends first. */
export type OrderlyNatKind = Exclude<NatKind, 'accept' | 'sequential' | 'block'>;

export const NAT_KINDS: readonly OrderlyNatKind[] = ['none', 'full', 'restricted', 'port-restricted', 'symmetric'];

/** The port that every WireGuard device of the laboratory listens on, unless told otherwise. */
export const WIREGUARD_PORT = 51820;
/** Ports that full and restricted NATs know beside WireGuard's, for probes. */
export const PROBE_PORTS: readonly number[] = [40001, 40002];

/** Public addresses that the laboratory's servers may use, next to the first, which is also the gateway. */
export const PUBLIC_ADDRESSES: readonly string[] = ['203.0.113.1', '203.0.113.2', '203.0.113.3', '203.0.113.4'];
export const PUBLIC_ADDRESSES6: readonly string[] = PUBLIC_ADDRESSES.map((_, i) => `2001:db8:ffff::${i + 1}`);
/** A public address where nobody answers, not even by ICMP. */
export const BLACKHOLE_ADDRESS = '203.0.113.5';

export interface WireGuardSpec {
  /** Seconds; 0 or absent: off. */
  readonly keepaliveSeconds?: number;
  /** Default 51820; full and restricted NATs forward this port. */
  readonly listenPort?: number;
  /** false: the device is made later, by host.createDevice(). */
  readonly atStart?: boolean;
}

export interface SideSpec {
  /** From the host outwards: one router, or two (the outer one is the carrier's, on 100.64.0.0/10). Default: ['port-restricted']. */
  readonly nats?: readonly NatKind[];
  /** A side named before whose network this host is in too, behind the same routers; without `nats`. */
  readonly beside?: string;
  /** A side named before, behind two NATs, whose carrier serves this side too: `nats` names the inner router alone. */
  readonly carrier?: string;
  /** The inner router takes in what nobody asked for, whatever its kind, as one of kind accept does. Default: false. */
  readonly accepts?: boolean;
  /** Sequential NATs: how far the ports of two new flows lie apart. Default: 1. */
  readonly step?: number;
  /** Full and restricted NATs: what a host behind them sends to their public address comes back in. Default: false. */
  readonly hairpin?: boolean;
  /** The network behind the inner router, e.g. '192.168.1.0' (/24), instead of one that no other side has. */
  readonly lan?: string;
  /** The host's last number in it; default 2, beside others 3, 4 and so on. */
  readonly number?: number;
  /** The last number of a machine in the same network that is no host of the laboratory (its namespace: plan.decoy). */
  readonly decoy?: number;
  /** Default true. */
  readonly ipv4?: boolean;
  /** A stateful firewall or an open router before the host's IPv6; absent: no IPv6. */
  readonly ipv6?: 'stateful' | 'open';
  /** false: a host without WireGuard. */
  readonly wireguard?: WireGuardSpec | false;
}

export interface LabSpec {
  /** One to twenty sides; names are short words of letters and digits, used in namespaces and device names. */
  readonly sides: Readonly<Record<string, SideSpec>>;
  /** true: every router's public side is a link to a provider of its own, so that two routed hops lie between any two NATs.
   * Default: false, all are on one segment, where a packet whose TTL dies at the next router would reach the peer's router itself. */
  readonly routed?: boolean;
  /** Round trip time between two sides, in milliseconds, half of it to servers: the providers hold packets back. Needs `routed`
   * and adds a hop at each. Default: as fast as it goes. */
  readonly rttMs?: number;
  /** Public addresses 203.0.113.N with N of 1 to 4 that run coturn, in one process each; default: none. */
  readonly coturn?: readonly number[];
  /** The first two sides, the next two and so on have keys by which their common slot of five minutes begins so many seconds, and up to ten more, after the
   * opening of the laboratory began. */
  readonly slotInSeconds?: number;
  /** The program of daemons; default: node with the built `stunmesh`. */
  readonly daemonCommand?: readonly string[];
  /** false: leaves SIGINT and SIGTERM to the caller (who disposes the laboratory); the clean-up at exit stays. Default true. */
  readonly handleSignals?: boolean;
}
