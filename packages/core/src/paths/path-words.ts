/** What `status` and doctor call a path, and why it is not valid; pure. */
import type { Endpoint } from '../api/index.js';
import type { NatSummary } from '../nat/behaviour-types.js';
import { isSteady, isSymmetric } from '../nat/mapping.js';
import { sameEndpoint } from '../net/index.js';
import type { EndpointRecord } from '../record/endpoint-record.js';
import type { Path, RemoteCandidate } from './path.js';

/** learnt: where the peer's own checks came from, which its record does not name. */
export type PathKind = 'lan' | 'ipv6' | 'ipv4' | 'learnt' | 'mapped' | 'configured';

export const PATH_WORDS: Readonly<Record<PathKind, string>> = {
  lan: 'LAN',
  ipv6: 'IPv6',
  ipv4: 'IPv4',
  learnt: 'learnt port',
  mapped: 'mapped port',
  configured: 'advertised',
};

export function pathKind({ type, lan, endpoint }: Pick<RemoteCandidate, 'type' | 'lan' | 'endpoint'>): PathKind {
  if (lan || type === 'host') return 'lan';
  if (type === 'learnt' || type === 'mapped' || type === 'configured') return type;
  return endpoint.family === 4 ? 'ipv4' : 'ipv6';
}

export interface PathFacts {
  /** Of the path's family. */
  readonly own: NatSummary | undefined;
  readonly peer: NatSummary | undefined;
  readonly record: EndpointRecord | undefined;
  readonly paths: readonly Path[];
  /** Our router was seen to take in what nobody asked for (acceptsStrangers). */
  readonly accepting: boolean;
}

/** Where a peer saw us come from, by its answer to a check of ours. */
export interface PortSeen {
  /** Ours as STUN saw it then. */
  readonly reflexive: Endpoint;
  readonly seen: Endpoint;
  /** Milliseconds of a monotonic clock. */
  readonly at: number;
}

/** A router that gives us one port for all destinations, and another one towards a peer, keeps ours for a packet of that peer which came
 * before we had opened. `reflexive`: what STUN sees, and when: a port that is another one for all by now proves nothing. */
export function acceptsStrangers(
  moved: PortSeen | undefined,
  reflexive: { readonly endpoint: Endpoint; readonly at: number } | undefined,
  nat: NatSummary | undefined,
): boolean {
  if (!moved || !reflexive || nat?.mapping !== 'endpoint-independent') return false;
  return (
    moved.seen.address === moved.reflexive.address &&
    moved.seen.port !== moved.reflexive.port &&
    reflexive.at > moved.at &&
    sameEndpoint(reflexive.endpoint, moved.reflexive)
  );
}

/** Why a path that was asked does not answer, as far as anybody can know; undefined: it answers, or nothing can be said yet. */
export function whyNoAnswer(path: Path, { own, peer, record, paths, accepting }: PathFacts): string | undefined {
  if (path.state !== 'failed') return undefined;
  if (path.lan) return 'nothing answers there: a firewall stands before it, or another host has the address';
  if (path.type === 'learnt') return 'it has fallen silent';
  if (path.type === 'mapped' || path.type === 'configured')
    return 'no answer: that port is not forwarded to the peer, or a firewall drops what comes';
  if (accepting && !isOpen(peer))
    return 'your router takes in packets that nobody asked for: one of the peer that came too early keeps the port from WireGuard until the router forgets it';
  if (peer && isSteady(peer) && movedPort(path, record, paths))
    return 'the router there takes in packets that nobody asked for: one of ours that came too early keeps the port from WireGuard until the router forgets it';
  if (own && peer && isSymmetric(own) && !isOpen(peer) && peer.filtering !== 'address-dependent')
    return isSymmetric(peer)
      ? 'both NATs give each destination another port'
      : 'your NAT gives each destination another port, and the one there lets in only ports that it wrote to';
  if (own && peer && isSymmetric(peer) && !isOpen(own) && own.filtering !== 'address-dependent')
    return 'the NAT there gives each destination another port, and yours lets in only ports that it wrote to';
  return 'no answer: stunmesh does not run there, or a firewall in between drops it';
}

/** The peer is heard from the address that its record names and from another port, though its NAT keeps one port for all. */
function movedPort({ endpoint }: Path, record: EndpointRecord | undefined, paths: readonly Path[]): boolean {
  const told = endpoint.family === 4 ? record?.ipv4 : record?.ipv6;
  return (
    sameEndpoint(told, endpoint) &&
    paths.some(({ type, endpoint: heard }) => type === 'learnt' && heard.address === endpoint.address)
  );
}

function isOpen(nat: NatSummary | undefined): boolean {
  return nat?.filtering === 'endpoint-independent';
}
