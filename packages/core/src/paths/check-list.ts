/** Orders the endpoints at which a peer may be found; pure. */
import type { Endpoint, Family } from '../api/index.js';
import type { PeerProtocol } from '../config/index.js';
import { sameEndpoint } from '../net/index.js';
import type { EndpointRecord } from '../record/endpoint-record.js';
import { freshness } from '../record/freshness.js';

/** How long one candidate is tried; where both families are wanted, and each had its first turn, they alternate by these slots of
 * the wall clock, so that both sides try the same one at the same time. */
export const DWELL_MS = 6_000;
/** The same where a session is alive: an answer comes without a handshake. */
export const SESSION_DWELL_MS = 3_000;
/** After so long without a connection a record older than the floor is better than none (F21). */
const OLD_RECORD_AFTER_MS = 60_000;

export interface CandidateInput {
  readonly records: Iterable<EndpointRecord>;
  readonly protocol: PeerProtocol;
  readonly floor: number | undefined;
  /** Families in which this host has a mapping; empty: not known yet. */
  readonly families: ReadonlySet<Family>;
  /** The endpoint that life was last seen with. */
  readonly proven: Endpoint | undefined;
  readonly wallNow: number;
  readonly unconnectedForMs: number;
  /** How long the present series of attempts has gone on: it starts anew with every changed record. */
  readonly tryingForMs: number;
  readonly dwellMs: number;
}

/** Endpoints worth opening our NAT to, the one whose turn it is first; empty: none is known. */
export function candidates(input: CandidateInput): readonly Endpoint[] {
  const turn = Math.floor(input.tryingForMs / input.dwellMs);
  const families = orderFamilies(input, turn);
  const lists = families.map((family) => ofFamily(input, family)).filter((list) => list.length > 0);
  // With two families each has every other turn, so within a family the next candidate comes half as often.
  const step = Math.floor(turn / lists.length);
  return lists.flatMap((list) => rotate(list, step));
}

/** Of one family: the newest record's, the one that last worked, then those of older records. */
function ofFamily(input: CandidateInput, family: Family): readonly Endpoint[] {
  const of = (record: EndpointRecord) => (family === 4 ? record.ipv4 : record.ipv6);
  const newestFirst = [...input.records].sort((a, b) => (b.t ?? 0) - (a.t ?? 0));
  const current = newestFirst.filter((r) => freshness(r.t, input.floor, input.wallNow / 1000) === 'new');
  const old = input.unconnectedForMs >= OLD_RECORD_AFTER_MS ? newestFirst.filter((r) => !current.includes(r)) : [];
  const proven = input.proven?.family === family ? [input.proven] : [];
  const found = [current.map(of)[0], ...proven, ...current.slice(1).map(of), ...old.map(of)].filter(
    (e) => e !== undefined,
  );
  return found.filter((endpoint, i) => found.findIndex((other) => sameEndpoint(other, endpoint)) === i);
}

/** The families of a peer's protocol, the one whose turn it is first. */
function orderFamilies(input: CandidateInput, turn: number): readonly Family[] {
  const wanted: readonly Family[] =
    input.protocol === 'ipv4'
      ? [4]
      : input.protocol === 'ipv6'
        ? [6]
        : input.protocol === 'prefer_ipv6'
          ? [6, 4]
          : [4, 6];
  const usable = wanted.filter((family) => input.families.size === 0 || input.families.has(family));
  if (usable.length < 2 || turn === 0) return usable;
  // The other one at once, whatever slot it is: waiting for its slot as well would double the time until it is tried at all.
  if (turn === 1) return usable.toReversed();
  const first: Family = Math.floor(input.wallNow / DWELL_MS) % 2 === 0 ? 4 : 6;
  return first === 4 ? [4, 6] : [6, 4];
}

function rotate(list: readonly Endpoint[], by: number): readonly Endpoint[] {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}
