/** Whether a hard NAT can be crossed by a search, and how: both hosts find the same plan in the two records (F61). */
import type { Endpoint } from '../api/index.js';
import type { HardNat } from '../config/index.js';
import { isSymmetric } from '../nat/mapping.js';
import type { PathCode, PortAllocation } from '../record/path-code.js';

/** A record older than this tells nothing about a router that moves on. */
const YOUNG_MS = 600_000;
const MOST_PREDICTED = 128;
const MOST_PROBES = 1_024;
const MOST_MAPPINGS = 256;
/** Behind a carrier's NAT, and where it hands out blocks: who uses one up is cut off. A router that counts needs no more. */
const FEW_MAPPINGS = 64;
/** Where both routers count on: both send from so many ports more than steps lie before the common target. */
const BOTH_STEPS = 20;
const BOTH_SPARE = 5;

/** How the prober orders its ports. */
export type Ports =
  | { readonly kind: 'after'; readonly last: number; readonly delta: number }
  | { readonly kind: 'block'; readonly last: number; readonly size: number }
  | { readonly kind: 'random' };

export type SearchPlan =
  /** H: opens its router from several ports of its own towards the peer's one endpoint. */
  | { readonly role: 'open'; readonly target: Endpoint; readonly mappings: number; readonly periodSeconds: number }
  /** E: probes ports of the peer's router from WireGuard's port. */
  | {
      readonly role: 'probe';
      readonly address: string;
      readonly ports: Ports;
      readonly probes: number;
      readonly periodSeconds: number;
    }
  /** Both routers count on: full packets from several ports to the port that the peer's router will come to. */
  | { readonly role: 'both'; readonly target: Endpoint; readonly mappings: number; readonly periodSeconds: number };

/** FreeBSD and macOS: pf is the administrator's. Such a host can be the side that probes. */
const NO_DIVERSION: NoSearch = {
  why: "the hard NAT is this host's, and this system has no rules by which packets leave from another port (Linux: load the module nf_tables, and restart stunmesh): the other side cannot find it",
};

/** As a record tells it: the other host is not to probe what is not opened. */
export function toldAllocation(allocation: PortAllocation, diverts: boolean): PortAllocation {
  return diverts || deltaOf(allocation) !== undefined ? allocation : 'unknown';
}

export interface SearchSide {
  readonly code: PathCode | undefined;
  /** `ipv4` of the record. */
  readonly ipv4: Endpoint | undefined;
  readonly ageMs: number;
}

/** Why there is no search, in words for people; `full` tells that hard_nat: full would change it. */
export interface NoSearch {
  readonly why: string;
  readonly fullWouldHelp?: boolean;
  /** No NAT is known to be a hard one: there is nothing to be said of it. */
  readonly isEasy?: boolean;
  /** A younger record would tell more. */
  readonly isOld?: boolean;
}

export function isPlan(found: SearchPlan | NoSearch): found is SearchPlan {
  return 'role' in found;
}

/** `diverts`: packets of this host can leave from other ports than WireGuard's; without that it opens nothing but its own port. */
export function planSearch(own: SearchSide, peer: SearchSide, mode: HardNat, diverts = true): SearchPlan | NoSearch {
  if (!own.code || !own.ipv4)
    return { why: 'this host has no record with an IPv4 address and the behaviour of its NAT', isEasy: true };
  if (!peer.code || !peer.ipv4)
    return { why: "the peer's record does not tell its IPv4 address and how its NAT behaves", isEasy: true };
  const [hardOwn, hardPeer] = [isHard(own.code), isHard(peer.code)];
  if (!hardOwn && !hardPeer) return { why: 'neither NAT is known to be a hard one', isEasy: true };
  if (mode === 'off') return { why: 'switched off by hard_nat' };
  if (Math.max(own.ageMs, peer.ageMs) > YOUNG_MS) return { why: 'a record is older than ten minutes', isOld: true };
  if (own.code.mapping4 === 'unknown' || peer.code.mapping4 === 'unknown')
    return { why: 'how the other NAT maps ports is not known yet' };
  if (hardOwn && hardPeer) return planBoth(own.code, peer.code, peer.ipv4, diverts);
  return hardOwn ? planOpen(own.code, peer.ipv4, mode, diverts) : planProbe(peer.code, peer.ipv4, mode);
}

/** Another port for each destination ("symmetric"). */
function isHard({ mapping4: mapping }: PathCode): boolean {
  return isSymmetric({ mapping });
}

function planBoth(
  { allocation: own }: PathCode,
  { allocation: peer }: PathCode,
  last: Endpoint,
  diverts: boolean,
): SearchPlan | NoSearch {
  if (deltaOf(own) === undefined || deltaOf(peer) === undefined) {
    return {
      why:
        'both routers choose another port for each destination, and one of them not by counting: a guess would take tens of ' +
        'thousands of mappings; a forwarded port, port mapping or IPv6 on either side connects them',
    };
  }
  if (!diverts) return NO_DIVERSION;
  const [port] = [last.port + BOTH_STEPS * (deltaOf(peer) ?? 1)];
  if (port > 65_535) return { why: "the peer's router is about to begin anew with low ports" };
  return { role: 'both', target: { ...last, port }, mappings: BOTH_STEPS + BOTH_SPARE, periodSeconds: 60 };
}

function planOpen(own: PathCode, target: Endpoint, mode: HardNat, diverts: boolean): SearchPlan | NoSearch {
  const counts = deltaOf(own.allocation) !== undefined;
  if (!diverts && !counts) return NO_DIVERSION;
  const refused = refuse(own, mode);
  if (refused) return refused;
  // A router that counts on is met at its next ports, where few other flows come between also from WireGuard's own port alone.
  const mappings = !diverts ? 1 : counts || isFew(own) ? FEW_MAPPINGS : MOST_MAPPINGS;
  return { role: 'open', target, mappings, periodSeconds: periodOf(own) };
}

function planProbe(peer: PathCode, { address, port: last }: Endpoint, mode: HardNat): SearchPlan | NoSearch {
  const refused = refuse(peer, mode);
  if (refused) return refused;
  const delta = deltaOf(peer.allocation);
  const size = blockOf(peer.allocation);
  const ports: Ports =
    delta !== undefined
      ? { kind: 'after', last, delta }
      : size !== undefined
        ? { kind: 'block', last, size }
        : { kind: 'random' };
  const probes = ports.kind === 'random' ? MOST_PROBES : MOST_PREDICTED;
  return { role: 'probe', address, ports, probes, periodSeconds: periodOf(peer) };
}

/** F61: guessing only where prediction says random, and only by choice. */
function refuse({ allocation }: PathCode, mode: HardNat): NoSearch | undefined {
  if (allocation === 'unknown')
    return {
      why: 'the record of the side with the hard NAT does not tell how it chooses its ports: that is not known yet, or that host has no rules to open it by',
    };
  if (allocation === 'random' && mode !== 'full')
    return { why: 'the hard NAT chooses its ports at random; hard_nat: full would search them', fullWouldHelp: true };
  return undefined;
}

/** A series of 1,024 probes uses up what the prober may send in 300 s, so both sides leave the slots between out. */
function periodOf({ allocation }: PathCode): number {
  return allocation === 'random' ? 300 : 60;
}

function isFew({ cgnat, allocation }: PathCode): boolean {
  return cgnat || blockOf(allocation) !== undefined;
}

function deltaOf(allocation: PathCode['allocation']): number | undefined {
  return typeof allocation === 'object' && 'delta' in allocation ? allocation.delta : undefined;
}

function blockOf(allocation: PathCode['allocation']): number | undefined {
  return typeof allocation === 'object' && 'block' in allocation ? allocation.block : undefined;
}
