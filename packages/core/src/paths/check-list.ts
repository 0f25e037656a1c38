/** The paths to a peer that knows no checks: which there are, best first, and which has its turn; pure. */
import type { Endpoint, Family } from '../api/index.js';
import type { PeerProtocol } from '../config/index.js';
import { sameEndpoint } from '../net/index.js';
import type { ParsedRecord } from '../record/endpoint-record.js';
import { freshness } from '../record/freshness.js';
import { PEER_FAMILIES } from './families.js';
import type { Path } from './path.js';

/** How long one path is tried; where both families are wanted, and each had its first turn, they alternate by these slots of
 * the wall clock, so that both sides try the same one at the same time. */
export const DWELL_MS = 6_000;
/** The same where a session is alive: an answer comes without a handshake. */
export const SESSION_DWELL_MS = 3_000;
/** After so long without a connection a record older than the one that proved itself is better than none (F21). */
const OLD_RECORD_AFTER_MS = 60_000;

export interface CheckListInput {
  readonly records: Iterable<Pick<ParsedRecord, 'ipv4' | 'ipv6' | 't'>>;
  readonly protocol: PeerProtocol;
  /** `t` of the record that last proved itself. */
  readonly provenTime: number | undefined;
  /** Families in which this host has a mapping; empty: not known yet. */
  readonly families: ReadonlySet<Family>;
  /** The endpoint that life was last seen with. */
  readonly proven: Endpoint | undefined;
  readonly wallNow: number;
  readonly unconnectedForMs: number;
}

/** The paths worth opening our NAT to, the preferred family's first; what is known of one stays with it. Empty: there is none. */
export function formPaths(input: CheckListInput, known: readonly Path[]): readonly Path[] {
  const endpoints = familiesOf(input).flatMap((family) => ofFamily(input, family));
  return endpoints.map(
    (endpoint) =>
      known.find((path) => sameEndpoint(path.endpoint, endpoint)) ?? {
        endpoint,
        type: 'reflexive',
        lan: false,
        state: 'waiting',
      },
  );
}

export interface Turn {
  /** How long the present series of attempts has gone on: it starts anew with every changed record. */
  readonly tryingForMs: number;
  readonly dwellMs: number;
  readonly wallNow: number;
}

/** The same paths, the one whose turn it is first. With two families each has every other turn. */
export function inTurn(paths: readonly Path[], { tryingForMs, dwellMs, wallNow }: Turn): readonly Path[] {
  const turn = Math.floor(tryingForMs / dwellMs);
  const first = paths[0]?.endpoint.family;
  const groups = [
    paths.filter(({ endpoint }) => endpoint.family === first),
    paths.filter(({ endpoint }) => endpoint.family !== first),
  ].filter((group) => group.length > 0);
  const step = Math.floor(turn / groups.length);
  return (otherFamilyFirst(turn, first, wallNow) ? groups.toReversed() : groups).flatMap((group) =>
    rotate(group, step),
  );
}

/** We begin to try this path: no other one is tried any more. */
export function tried(paths: readonly Path[], endpoint: Endpoint, now: number): readonly Path[] {
  return paths.map((path) => {
    if (sameEndpoint(path.endpoint, endpoint)) return { ...path, state: 'checking', lastTriedAt: now };
    return path.state === 'checking' ? { ...path, state: 'failed' } : path;
  });
}

/** Life was seen on this path. */
export function proved(paths: readonly Path[], endpoint: Endpoint, now: number, rttMs?: number): readonly Path[] {
  return paths.map((path) => {
    if (sameEndpoint(path.endpoint, endpoint))
      return { ...path, state: 'valid', lastValidAt: now, ...(rttMs === undefined ? {} : { rttMs }) };
    return path.state === 'checking' ? { ...path, state: 'waiting' } : path;
  });
}

/** What was valid is not any more: the tunnel died. */
export function lost(paths: readonly Path[]): readonly Path[] {
  return paths.map((path) => (path.state === 'valid' ? { ...path, state: 'failed' } : path));
}

/** Of one family: the newest record's, the one that last worked, then those of older records. */
function ofFamily(input: CheckListInput, family: Family): readonly Endpoint[] {
  const of = (record: Pick<ParsedRecord, 'ipv4' | 'ipv6' | 't'>) => (family === 4 ? record.ipv4 : record.ipv6);
  const newestFirst = [...input.records].sort((a, b) => (b.t ?? 0) - (a.t ?? 0));
  const current = newestFirst.filter((r) => freshness(r.t, input.provenTime, input.wallNow / 1000) === 'new');
  const old = input.unconnectedForMs >= OLD_RECORD_AFTER_MS ? newestFirst.filter((r) => !current.includes(r)) : [];
  const proven = input.proven?.family === family ? [input.proven] : [];
  const found = [current.map(of)[0], ...proven, ...current.slice(1).map(of), ...old.map(of)].filter(
    (e) => e !== undefined,
  );
  return found.filter((endpoint, i) => found.findIndex((other) => sameEndpoint(other, endpoint)) === i);
}

/** The families of a peer's protocol that this host has, the preferred one first. */
function familiesOf({ protocol, families }: CheckListInput): readonly Family[] {
  return PEER_FAMILIES[protocol].filter((family) => families.size === 0 || families.has(family));
}

function otherFamilyFirst(turn: number, preferred: Family | undefined, wallNow: number): boolean {
  // The other one at once, whatever slot it is: waiting for its slot as well would double the time until it is tried at all.
  if (turn <= 1) return turn === 1;
  return (Math.floor(wallNow / DWELL_MS) % 2 === 0 ? 4 : 6) !== preferred;
}

function rotate(list: readonly Path[], by: number): readonly Path[] {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}
