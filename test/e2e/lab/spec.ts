/** What a laboratory looks like, as data: sides behind NATs around one public network. */

/** RFC 4787 names in the words of users: mapping and filtering are
 * none: no translation, no filter; full: endpoint-independent both; restricted: endpoint-independent, address-dependent;
 * port-restricted: endpoint-independent, address-and-port-dependent; symmetric: address-and-port-dependent both. */
export type NatKind = 'none' | 'full' | 'restricted' | 'port-restricted' | 'symmetric';

export const NAT_KINDS: readonly NatKind[] = ['none', 'full', 'restricted', 'port-restricted', 'symmetric'];

/** The port that every WireGuard device of the laboratory listens on, unless told otherwise. */
export const WIREGUARD_PORT = 51820;
/** Ports that full and restricted NATs know beside WireGuard's, for probes. */
export const PROBE_PORTS: readonly number[] = [40001, 40002];

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
  /** Default true. */
  readonly ipv4?: boolean;
  /** A stateful firewall or an open router before the host's IPv6; absent: no IPv6. */
  readonly ipv6?: 'stateful' | 'open';
  /** false: a host without WireGuard. */
  readonly wireguard?: WireGuardSpec | false;
}

export interface LabSpec {
  /** One to eight sides; names are short words of letters and digits, used in namespaces and device names. */
  readonly sides: Readonly<Record<string, SideSpec>>;
  /** Public addresses 203.0.113.N with N of 1 to 4 that run coturn, in one process each; default: none. */
  readonly coturn?: readonly number[];
  /** The program of daemons; default: node with the built `stunmesh`. */
  readonly daemonCommand?: readonly string[];
  /** false: leaves SIGINT and SIGTERM to the caller (who disposes the laboratory); the clean-up at exit stays. Default true. */
  readonly handleSignals?: boolean;
}
