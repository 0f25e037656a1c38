/** Orders the endpoints at which a peer may be found; pure. */
import type { Endpoint, Family } from '../api/index.js';
import type { PeerProtocol } from '../config/index.js';
import { formatEndpoint } from '../net/index.js';
import type { EndpointRecord } from '../record/endpoint-record.js';
import { freshness } from '../record/freshness.js';

/** How long one family is tried before the other has its turn; both sides count the same wall-clock slots. */
export const SLOT_MS = 6_000;

/** After so long without a connection a record older than the floor is better than none (F21). */
export const OLD_RECORD_AFTER_MS = 60_000;

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
}

/** Endpoints worth opening our NAT to, the one to set first; empty: none is known. */
export function candidates(input: CandidateInput): readonly Endpoint[] {
  const nowSeconds = input.wallNow / 1000;
  const newestFirst = [...input.records].sort((a, b) => (b.t ?? 0) - (a.t ?? 0));
  const current = newestFirst.filter((r) => freshness(r.t, input.floor, nowSeconds) === 'new');
  const old = input.unconnectedForMs >= OLD_RECORD_AFTER_MS ? newestFirst.filter((r) => !current.includes(r)) : [];
  const families = orderFamilies(input);
  const found: Endpoint[] = [];
  // With several stores the newest record wins; the others are but a spare for a family that it lacks.
  for (const family of families) {
    const endpoint = [...current, ...old].map((r) => (family === 4 ? r.ipv4 : r.ipv6)).find((e) => e !== undefined);
    if (endpoint) found.push(endpoint);
  }
  const { proven } = input;
  if (proven && families.includes(proven.family) && found.length === 0) found.push(proven);
  return unique(found);
}

/** The families of a peer's protocol, the one whose turn it is first. */
function orderFamilies(input: CandidateInput): readonly Family[] {
  const wanted: readonly Family[] =
    input.protocol === 'ipv4' ? [4] : input.protocol === 'ipv6' ? [6] : input.protocol === 'prefer_ipv6' ? [6, 4] : [4, 6];
  const usable = wanted.filter((family) => input.families.size === 0 || input.families.has(family));
  const [first, second] = usable;
  if (first === undefined || second === undefined || input.unconnectedForMs < SLOT_MS) return usable;
  const turn: Family = Math.floor(input.wallNow / SLOT_MS) % 2 === 0 ? 4 : 6;
  return first === turn ? [first, second] : [second, first];
}

function unique(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  return [...new Map(endpoints.map((e) => [formatEndpoint(e), e])).values()];
}
