/** What /status.json tells of one peer, ways and records included; pure. */
import type { PeerSnapshot, Snapshot } from '../control/snapshot.js';
import { recordRemarks, searchRemarks } from '../control/status-remarks.js';
import { PATH_WORDS } from '../paths/path-words.js';

export interface PathView {
  readonly class: string;
  readonly state: string;
  readonly rttMs?: number;
  readonly endpoint?: string;
  readonly why?: string;
}

export interface PeerDetail {
  readonly device: string;
  readonly name: string;
  readonly paths: readonly PathView[];
  /** Counts by what they are, in the order to show them. */
  readonly counts: Readonly<Record<string, number>>;
  readonly publishedAt?: number;
  readonly recordNat?: string;
  readonly publicKey?: string;
  readonly recordAddresses?: readonly string[];
  readonly publishedAddresses?: readonly string[];
  /** What `stunmesh status` says below its line, but for paths. */
  readonly remarks?: readonly string[];
}

export function peerDetail(
  snapshots: readonly Snapshot[],
  names: { device: string; peer: string },
  full: boolean,
): PeerDetail | undefined {
  const device = snapshots.flatMap(({ devices }) => devices).find(({ name }) => name === names.device);
  const peer = device?.peers.find(({ name }) => name === names.peer);
  if (!device || !peer) return undefined;
  const { record, published } = peer;
  return {
    device: device.name,
    name: peer.name,
    paths: paths(peer, full),
    counts: {
      'endpoints written': peer.endpointWrites,
      'handshakes forced': peer.renewals,
      'records read': peer.reads,
      probes: peer.probes,
      keepalive: peer.keepaliveSeconds,
    },
    ...(published ? { publishedAt: published.at } : {}),
    ...(record?.nat === undefined ? {} : { recordNat: record.nat }),
    ...(full
      ? {
          publicKey: peer.publicKey,
          recordAddresses: [record?.ipv4, record?.ipv6].filter((text) => text !== undefined),
          publishedAddresses: [published?.ipv4, published?.ipv6].filter((text) => text !== undefined),
          remarks: [...recordRemarks(peer), ...searchRemarks(peer)],
        }
      : {}),
  };
}

/** The one in use first. Why one is not tried names no address. */
function paths({ paths = [], path }: PeerSnapshot, full: boolean): readonly PathView[] {
  const inUse = path && paths.filter(({ endpoint }) => endpoint === path.endpoint).length === 0 ? [path] : [];
  return [...inUse, ...paths].map(({ class: kind, state, rttMs, endpoint, why }) => ({
    class: PATH_WORDS[kind],
    state: endpoint === path?.endpoint ? 'in use' : state,
    ...(rttMs === undefined ? {} : { rttMs }),
    ...(full ? { endpoint, ...(why === undefined ? {} : { why }) } : {}),
  }));
}
