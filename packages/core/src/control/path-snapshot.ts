/** What the control socket tells of the ways to a peer. */
import { natOf } from '../nat/code.js';
import { formatEndpoint, sameEndpoint } from '../net/index.js';
import { localCandidate } from '../paths/candidate.js';
import type { Path, PathState } from '../paths/path.js';
import { acceptsStrangers, type PathKind, pathKind, whyNoAnswer } from '../paths/path-words.js';
import type { DeviceEntry, PeerEntry } from '../peers/peer-table.js';
import type { EndpointRecord } from '../record/endpoint-record.js';

/** A way to a peer: what is known of it by checks. */
export interface PathSnapshot {
  readonly endpoint: string;
  readonly class: PathKind;
  /** refused: it is not tried. */
  readonly state: PathState | 'refused';
  readonly rttMs?: number;
  /** Milliseconds since 1970. */
  readonly lastValidAt?: number;
  /** Why it is not tried, or does not answer. */
  readonly why?: string;
}

export interface PeerPaths {
  readonly paths: readonly PathSnapshot[];
  /** The way that a connected peer is reached by. */
  readonly path?: PathSnapshot;
  /** Its endpoint is kept on this host until a path is valid. */
  readonly parked?: true;
}

export function peerPaths(
  device: DeviceEntry,
  peer: PeerEntry,
  record: EndpointRecord | undefined,
  at: { readonly now: number; readonly wallNow: number },
): PeerPaths {
  const known = peer.checks?.paths(at.now) ?? [];
  const theirs = natOf(record?.c);
  const shown = known.map((path): PathSnapshot => {
    const { family } = path.endpoint;
    const nat = device.nat.get(family);
    const reflexive = localCandidate(device.candidates, 'reflexive', family);
    const own = nat?.address === reflexive?.endpoint.address ? nat?.summary : undefined;
    const accepting = acceptsStrangers(device.portSeen.get(family), reflexive, own);
    const why = whyNoAnswer(path, { own, peer: theirs.get(family), record, paths: known, accepting });
    return { ...pathSnapshot(path, at), ...(why === undefined ? {} : { why }) };
  });
  const refused = (peer.checks?.refused ?? []).map(
    ({ endpoint, type, why }): PathSnapshot => ({
      endpoint: formatEndpoint(endpoint),
      class: pathKind({ endpoint, type, lan: false }),
      state: 'refused',
      why,
    }),
  );
  const path = presentPath(peer, shown);
  return {
    paths: [...shown, ...refused],
    ...(path ? { path } : {}),
    ...(peer.parkedFrom ? { parked: true } : {}),
  };
}

function pathSnapshot(path: Path, { now, wallNow }: { readonly now: number; readonly wallNow: number }): PathSnapshot {
  const { endpoint, state, rttMs, lastValidAt } = path;
  return {
    endpoint: formatEndpoint(endpoint),
    class: pathKind(path),
    state,
    ...(rttMs === undefined ? {} : { rttMs: Math.round(rttMs * 10) / 10 }),
    ...(lastValidAt === undefined ? {} : { lastValidAt: Math.round(wallNow - (now - lastValidAt)) }),
  };
}

/** A peer that knows no checks is reached by an address of its record, or by one that WireGuard learnt. */
function presentPath(peer: PeerEntry, shown: readonly PathSnapshot[]): PathSnapshot | undefined {
  const endpoint = peer.observed?.endpoint;
  if (!endpoint || (peer.phase !== 'connected' && peer.phase !== 'idle')) return undefined;
  const text = formatEndpoint(endpoint);
  const checked = shown.find((path) => path.endpoint === text);
  if (checked) return checked;
  const named = [...peer.remote.values()].some(
    ({ record }) => sameEndpoint(record.ipv4, endpoint) || sameEndpoint(record.ipv6, endpoint),
  );
  const type = named || peer.remote.size === 0 ? 'reflexive' : 'learnt';
  // The tunnel itself is the proof.
  return { endpoint: text, class: pathKind({ endpoint, type, lan: false }), state: 'valid' };
}
