/** What doctor knows of the two hosts of a pair, and the kinds of NAT in the words of users; pure. */
import type { NatSummary } from '../nat/behaviour-types.js';
import { isSymmetric } from '../nat/mapping.js';

/** The kinds in the words of users. `firewall`: a public address behind a stateful filter; `cone`: endpoint-independent mapping, filtering not known. */
export type NatKind =
  | 'none'
  | 'firewall'
  | 'full'
  | 'restricted'
  | 'port-restricted'
  | 'symmetric'
  | 'cone'
  | 'unknown';

/** What is known of one host; a family that it publishes no address of is absent, one of which nothing is known is UNKNOWN_NAT. */
export interface PairSide {
  readonly ipv4?: NatSummary;
  readonly ipv6?: NatSummary;
}

export interface PairContext {
  /** For the words. Default: "this host" and "the peer". */
  readonly ownName?: string;
  readonly peerName?: string;
  /** In the place of "a NAT that is not known" for the peer. */
  readonly peerUnknown?: string;
  /** Both publish the same IPv4 address: they are behind one NAT. */
  readonly samePublicAddress?: boolean;
  /** An address of the peer's on a link of ours, or inside a prefix of `lan`. */
  readonly lan?: string;
  /** Where a router, or the operator, lets strangers in to the peer, and to this host; the other side tries it. */
  readonly peerOpen?: string;
  readonly ownOpen?: string;
  /** Where NATs keep them apart: whether the two search for a port that lets through, and why not. */
  readonly search?: { readonly possible: true } | { readonly possible: false; readonly why: string };
  /** What to forward, for the remedies. */
  readonly ownPort?: number;
  readonly peerPort?: number;
}

export const UNKNOWN_NAT: NatSummary = { mapping: 'unknown', filtering: 'unknown', cgnat: false };

/** The kind that users know it by. */
export function natKind(nat: NatSummary): NatKind {
  const { mapping, filtering } = nat;
  if (isSymmetric(nat)) return 'symmetric';
  if (mapping === 'unknown') return 'unknown';
  if (filtering === 'unknown') return mapping === 'none' ? 'none' : 'cone';
  if (filtering === 'endpoint-independent') return mapping === 'none' ? 'none' : 'full';
  if (mapping === 'none') return 'firewall';
  return filtering === 'address-dependent' ? 'restricted' : 'port-restricted';
}

/** The kind as a phrase after "has". */
export function describeNat(nat: NatSummary): string {
  const phrase = PHRASES[natKind(nat)];
  return nat.cgnat ? `${phrase} (of the carrier)` : phrase;
}

const PHRASES: Readonly<Record<NatKind, string>> = {
  none: 'no NAT',
  firewall: 'no NAT but a stateful firewall',
  full: 'a NAT that lets everybody in (full cone)',
  restricted: 'a NAT that lets in whom it wrote to (restricted cone)',
  'port-restricted': 'a NAT that lets in the ports it wrote to (port-restricted cone)',
  symmetric: 'a NAT with another port for each destination (symmetric)',
  cone: 'a NAT with one port for all destinations (cone)',
  unknown: 'a NAT that is not known',
};
