/** What the control socket tells of a device: plain JSON, no secrets. */

import type { NatSummary } from '../nat/behaviour-types.js';
import { formatNatCode, natOf } from '../nat/code.js';
import { formatEndpoint } from '../net/index.js';
import { type LocalCandidateType, localCandidate } from '../paths/candidate.js';
import type { CheckCounts } from '../peers/check-view.js';
import { type Fault, oneWayFault, peerFault, readFault, writeFault } from '../peers/faults.js';
import type { DeviceEntry, PeerEntry } from '../peers/peer-table.js';
import { saneClock } from '../record/freshness.js';
import type { GuardedStore } from '../store/guarded-store.js';
import { bothSymmetric } from './both-symmetric.js';
import { type PathSnapshot, peerPaths } from './path-snapshot.js';
import { type PortMappingSnapshot, portMappingSnapshot } from './port-mapping-status.js';
import { type SearchSnapshot, searchSnapshot } from './search-status.js';
import { type DeviceStoreSnapshot, deviceStores } from './store-reading-status.js';

export interface Addresses {
  readonly ipv4?: string;
  readonly ipv6?: string;
}

/** Times are milliseconds since 1970; `t` of records is in seconds. */
export interface PeerSnapshot extends SearchSnapshot {
  readonly name: string;
  readonly publicKey: string;
  readonly phase: 'waiting' | 'connecting' | 'connected' | 'suspect' | 'idle';
  readonly phaseForMs: number;
  /** False: WireGuard's device has no such peer. */
  readonly present: boolean;
  readonly endpoint?: string;
  readonly latestHandshakeAt?: number;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly keepaliveSeconds: number;
  /** Round trip of the last answered ping. */
  readonly rttMs?: number;
  readonly probes: number;
  /** The ways to it; a daemon of an older version tells none. */
  readonly paths?: readonly PathSnapshot[];
  readonly path?: PathSnapshot;
  /** Its endpoint is kept on this host until a path is valid. */
  readonly parked?: true;
  /** The NATs at both ends map by destination, so that the two cannot connect as they are; absent: not so, or not known. */
  readonly bothSymmetric?: true;
  /** The peer's newest record. */
  readonly record?: Addresses & {
    readonly store: string;
    readonly readAt: number;
    readonly t?: number;
    /** How its NATs behave, as its record tells. */
    readonly nat?: string;
  };
  /** Ours for it, as last written or found. */
  readonly published?: Addresses & {
    readonly store: string;
    readonly at: number;
    readonly t?: number;
    readonly omitted: readonly string[];
  };
  readonly endpointWrites: number;
  readonly renewals: number;
  readonly reads: number;
  readonly lastError?: Fault;
  /** Why its record could not be read or used last, and ours not be written (F73). */
  readonly readFault?: Fault;
  readonly writeFault?: Fault;
}

/** An address at which this host may be reached. */
export interface CandidateSnapshot {
  /** host: of a local network; configured: as `advertise` says. */
  readonly type: LocalCandidateType;
  readonly endpoint: string;
  /** The STUN server, the router's protocol, the interface, or the entry of `advertise`. */
  readonly foundBy: string;
}

export interface DeviceSnapshot {
  readonly name: string;
  /** down: it is there, and its link is down. */
  readonly state: 'up' | 'down' | 'missing';
  readonly publicKey?: string;
  readonly listenPort?: number;
  /** How WireGuard is spoken to: socket, netlink or wg. */
  readonly controlledBy?: string;
  readonly firewallMark?: number;
  readonly reflexive: Addresses;
  /** Where none is known at present: the last one of each family, and when that was seen. */
  readonly lastReflexive?: Addresses & { readonly at: number };
  /** All that records of this host tell of, those of `reflexive` too; a daemon of an older version does not say. */
  readonly candidates?: readonly CandidateSnapshot[];
  /** How the NATs in front behave, by family, once that was found out. */
  readonly nat?: { readonly ipv4?: NatSummary; readonly ipv6?: NatSummary };
  /** What the router maps to the listen port; absent: it is not asked. */
  readonly portMapping?: PortMappingSnapshot;
  readonly discoveries: number;
  /** How peers' records are found in stores; a daemon of an older version does not say. */
  readonly stores?: readonly DeviceStoreSnapshot[];
  /** Connectivity checks since the start. */
  readonly checks?: Readonly<CheckCounts>;
  readonly errors: readonly (Fault & { readonly of: string })[];
  readonly peers: readonly PeerSnapshot[];
}

export interface StoreSnapshot {
  readonly name: string;
  readonly gets: number;
  readonly sets: number;
  readonly failures: number;
  /** down: it failed several times in a row, and is asked only once in a while until it answers. */
  readonly state: 'up' | 'down';
  /** Where it is down: when it is asked next. */
  readonly retryAt?: number;
  readonly lastError?: Fault;
  /** What it says itself of how it went of late. */
  readonly note?: string;
}

export interface Snapshot {
  readonly type: 'snapshot';
  readonly version: 1;
  readonly stunmesh: string;
  readonly pid: number;
  readonly startedAt: number;
  readonly clockSane: boolean;
  readonly devices: readonly DeviceSnapshot[];
  readonly stores: readonly StoreSnapshot[];
}

export interface ControlEvent {
  readonly type: 'event';
  readonly event: string;
  readonly at: number;
  readonly device: string;
  readonly peer?: string;
  readonly [member: string]: unknown;
}

/** What a snapshot tells of a store instance. */
export function storeSnapshot(store: GuardedStore): StoreSnapshot {
  const { gets, sets, failures, lastError } = store.counters;
  const fault = lastError && { code: lastError.code, message: lastError.message, at: lastError.atMs };
  const note = store.note?.();
  return {
    name: store.name,
    gets,
    sets,
    failures,
    ...store.health,
    ...(fault ? { lastError: fault } : {}),
    ...(note === undefined ? {} : { note }),
  };
}

export interface SnapshotInput {
  readonly version: string;
  readonly startedAt: number;
  readonly wallNow: number;
  readonly now: number;
  readonly device: DeviceEntry;
  readonly stores: readonly StoreSnapshot[];
}

export function createSnapshot(input: SnapshotInput): Snapshot {
  return {
    type: 'snapshot',
    version: 1,
    stunmesh: input.version,
    pid: process.pid,
    startedAt: input.startedAt,
    clockSane: saneClock(input.wallNow / 1000),
    devices: [{ ...deviceSnapshot(input.device), peers: input.device.peers.map((peer) => peerOf(input, peer)) }],
    stores: input.stores,
  };
}

/** The same as JSON, in pieces of a peer each: of 10,000 peers all at once would hold up the event loop. */
export function* snapshotText(input: SnapshotInput): Generator<string> {
  const open = (part: object): string => JSON.stringify(part).slice(0, -1);
  const { devices: _, stores, ...whole } = createSnapshot({ ...input, device: { ...input.device, peers: [] } });
  yield `${open(whole)},"devices":[${open(deviceSnapshot(input.device))},"peers":[`;
  let between = '';
  for (const peer of input.device.peers) {
    yield between + JSON.stringify(peerOf(input, peer));
    between = ',';
  }
  yield `]}],"stores":${JSON.stringify(stores)}}`;
}

function peerOf({ device, now, wallNow }: SnapshotInput, peer: PeerEntry): PeerSnapshot {
  return peerSnapshot(device, peer, now, wallNow);
}

function deviceSnapshot(device: DeviceEntry): Omit<DeviceSnapshot, 'peers'> {
  const { facts } = device;
  const four = localCandidate(device.candidates, 'reflexive', 4)?.endpoint;
  const six = localCandidate(device.candidates, 'reflexive', 6)?.endpoint;
  return {
    name: device.name,
    state: !facts ? 'missing' : device.down ? 'down' : 'up',
    ...(facts ? { publicKey: facts.publicKey, listenPort: facts.listenPort, firewallMark: facts.firewallMark } : {}),
    ...(facts?.way === undefined ? {} : { controlledBy: facts.way }),
    reflexive: addresses({ ...(four ? { ipv4: four } : {}), ...(six ? { ipv6: six } : {}) }),
    ...lastReflexive(device),
    candidates: device.candidates.map(({ type, endpoint, foundBy }) => ({
      type,
      endpoint: formatEndpoint(endpoint),
      foundBy,
    })),
    ...(device.nat.size === 0
      ? {}
      : { nat: Object.fromEntries([...device.nat].map(([family, { summary }]) => [`ipv${family}`, summary])) }),
    ...portMappingSnapshot(device),
    discoveries: device.discoveries,
    stores: deviceStores(device),
    checks: { ...device.checkCounts },
    errors: [...device.faults, ...device.disagreements, ...device.standIns].map(([of, fault]) => ({
      of: typeof of === 'string' ? of : `ipv${of}`,
      ...fault,
    })),
  };
}

function lastReflexive({ lastReflexive: last, candidates }: DeviceEntry): Pick<DeviceSnapshot, 'lastReflexive'> {
  if (last.size === 0 || candidates.some(({ type }) => type === 'reflexive')) return {};
  const [four, six] = [last.get(4), last.get(6)];
  const at = Math.max(four?.at ?? 0, six?.at ?? 0);
  const endpoints = { ...(four ? { ipv4: four.endpoint } : {}), ...(six ? { ipv6: six.endpoint } : {}) };
  return { lastReflexive: { ...addresses(endpoints), at } };
}

function peerSnapshot(device: DeviceEntry, peer: PeerEntry, now: number, wallNow: number): PeerSnapshot {
  const { observed } = peer;
  const remote = [...peer.remote.values()].sort((a, b) => (b.record.t ?? 0) - (a.record.t ?? 0))[0];
  const remoteNat = formatNatCode(natOf(remote?.record.c));
  const lastError = peerFault(peer) ?? peer.pingFault ?? oneWayFault(peer, wallNow);
  const [reading, writing] = [readFault(peer), writeFault(peer)];
  const [published] = [...peer.published].sort(([, a], [, b]) => b.wallAt - a.wallAt);
  return {
    name: peer.name,
    publicKey: peer.publicKey,
    phase: peer.phase,
    phaseForMs: Math.round(now - peer.phaseSince),
    present: observed !== undefined || (device.down && device.facts?.peers.has(peer.publicKey) === true),
    ...(observed?.endpoint ? { endpoint: formatEndpoint(observed.endpoint) } : {}),
    ...(observed?.latestHandshakeAt === undefined ? {} : { latestHandshakeAt: observed.latestHandshakeAt }),
    rxBytes: observed?.rxBytes ?? 0,
    txBytes: observed?.txBytes ?? 0,
    keepaliveSeconds: observed?.keepaliveSeconds ?? 0,
    ...(peer.rttMs === undefined ? {} : { rttMs: peer.rttMs }),
    probes: peer.probes,
    ...peerPaths(device, peer, remote?.record, { now, wallNow }),
    ...searchSnapshot(peer),
    ...(bothSymmetric(device, remote?.record) ? { bothSymmetric: true } : {}),
    ...(remote
      ? {
          record: {
            store: remote.store,
            readAt: remote.readAt,
            ...time(remote.record.t),
            ...addresses(remote.record),
            ...(remoteNat ? { nat: remoteNat } : {}),
          },
        }
      : {}),
    ...(published
      ? {
          published: {
            store: published[0],
            at: published[1].wallAt,
            ...time(published[1].t),
            ...addresses(published[1]),
            omitted: published[1].omitted,
          },
        }
      : {}),
    endpointWrites: peer.endpointWrites,
    renewals: peer.renewals,
    reads: peer.reads,
    ...(lastError ? { lastError } : {}),
    ...(reading ? { readFault: reading } : {}),
    ...(writing ? { writeFault: writing } : {}),
  };
}

function time(t: number | undefined): { readonly t?: number } {
  return t === undefined ? {} : { t };
}

function addresses(record: {
  readonly ipv4?: Parameters<typeof formatEndpoint>[0];
  readonly ipv6?: Parameters<typeof formatEndpoint>[0];
}): Addresses {
  return {
    ...(record.ipv4 ? { ipv4: formatEndpoint(record.ipv4) } : {}),
    ...(record.ipv6 ? { ipv6: formatEndpoint(record.ipv6) } : {}),
  };
}
