/** Where this host may be reached, as data: how each address was found, by whom, and when. */
import type { Endpoint, Family } from '../api/index.js';

/** host: an address of an interface; reflexive: as a STUN server saw us; mapped: a port that a router was asked for; configured: as the
 * operator says. */
export type LocalCandidateType = 'host' | 'reflexive' | 'mapped' | 'configured';

export interface LocalCandidate {
  readonly type: LocalCandidateType;
  readonly endpoint: Endpoint;
  /** The STUN server, the router's protocol, the interface, or the key of the configuration. */
  readonly foundBy: string;
  /** Monotonic milliseconds. */
  readonly at: number;
  readonly rttMs?: number;
  /** Of a reflexive one: whether a NAT stands in between. */
  readonly natted?: boolean;
}

/** The first candidate of a type and family; of host and configured ones there may be more. */
export function localCandidate(
  candidates: readonly LocalCandidate[],
  type: LocalCandidateType,
  family: Family,
): LocalCandidate | undefined {
  return candidates.find((one) => one.type === type && one.endpoint.family === family);
}

/** The list with this one in the place of the one of its type and family. */
export function withCandidate(
  candidates: readonly LocalCandidate[],
  candidate: LocalCandidate,
): readonly LocalCandidate[] {
  return [...withoutCandidate(candidates, candidate.type, candidate.endpoint.family), candidate];
}

/** The list with these in the place of all of their type. */
export function withCandidates(
  candidates: readonly LocalCandidate[],
  type: LocalCandidateType,
  present: readonly LocalCandidate[],
): readonly LocalCandidate[] {
  return [...candidates.filter((one) => one.type !== type), ...present];
}

export function withoutCandidate(
  candidates: readonly LocalCandidate[],
  type: LocalCandidateType,
  family: Family,
): readonly LocalCandidate[] {
  const gone = localCandidate(candidates, type, family);
  return gone ? candidates.filter((one) => one !== gone) : candidates;
}
