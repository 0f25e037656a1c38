/** The one mutable state about devices and peers: written by controllers, read by `status`. */
import type { Device, Endpoint, Family, Peer, PublicKey } from '../api/index.js';
import type { InterfaceConfig, PeerConfig } from '../config/index.js';
import type { NatSummary } from '../nat/behaviour-types.js';
import type { LocalCandidate } from '../paths/candidate.js';
import type { Path } from '../paths/path.js';
import type { PortSeen } from '../paths/path-words.js';
import type { ParsedRecord } from '../record/endpoint-record.js';
import type { PairKeys } from '../record/pair-keys.js';
import type { Channel } from '../record/seal.js';
import { type AttemptSeries, MOST_RENEWALS, startSeries } from './attempt-series.js';
import { type CheckCounts, type CheckView, createCheckCounts } from './check-view.js';
import type { Fault } from './fault.js';
import { createLife, type Life, type Phase } from './health.js';
import { createPortMappingEntry, type PortMappingEntry } from './port-mapping.js';
import { createReactionBudget, type ReactionBudget } from './reaction-budget.js';
import type { SearchView } from './search-view.js';
import { createSeenRecords, type SeenRecords } from './seen-records.js';
import type { WatchView } from './watch-view.js';

/** A record of a peer, as one store holds it. */
export interface RemoteRecord {
  readonly record: ParsedRecord;
  readonly store: string;
  /** Milliseconds since 1970. */
  readonly readAt: number;
  /** Its writer reads records of up to 2,048 characters. */
  readonly readsLong: boolean;
}

/** Our own record for a peer, as we last wrote it, or found it, in one store. */
export interface Published {
  readonly ipv4?: Endpoint;
  readonly ipv6?: Endpoint;
  readonly t?: number;
  /** The addresses that it told, or should have told (statedAddresses). */
  readonly addresses: string;
  /** The same of our NATs; undefined: nothing was known of them. */
  readonly nat?: string;
  readonly omitted: readonly string[];
  /** Characters of its sealed form, and how many there could have been. */
  readonly length: number;
  readonly limit: number;
  /** When it was written, by the monotonic clock (below zero: before this machine's start) and by the wall clock, in milliseconds. */
  readonly at: number;
  readonly wallAt: number;
}

/** What our records for a peer tell since this process began, in whatever store. */
export interface Statement {
  /** Addresses and NATs, as text. */
  readonly told: string;
  readonly t: number;
}

/** News of one device for `status` and the log; `data` holds plain JSON without secrets. */
export type EventSink = (event: string, peer: PeerEntry | undefined, data: Readonly<Record<string, unknown>>) => void;

export interface PeerEntry {
  name: string;
  /** Replaced by a reload. */
  config: PeerConfig;
  readonly publicKey: PublicKey;
  phase: Phase;
  /** Monotonic milliseconds. */
  phaseSince: number;
  /** Since when it is not connected. */
  unconnectedSince: number;
  /** As the last dump showed it; undefined: not on the device. */
  observed: Peer | undefined;
  life: Life;
  channel: Channel | undefined;
  keys: PairKeys | undefined;
  readonly budget: ReactionBudget;
  readonly seen: SeenRecords;
  /** Newest acceptable record by store instance. */
  readonly remote: Map<string, RemoteRecord>;
  readonly published: Map<string, Published>;
  /** Stores that a write is under way to. */
  readonly publishing: Set<string>;
  /** When a failed or refused write may be tried again, by store, and how often it failed. `untried`: the store is down, and the write follows its pauses. */
  readonly publishRetry: Map<string, { readonly at: number; readonly failures: number; readonly untried: boolean }>;
  /** Of our records for this peer alone: the last `t`, and by how much their generation is ahead of the device's (F78). */
  ownTime: number | undefined;
  statement: Statement | undefined;
  /** Stores in which it is to be written again, with the same `t` and a new acknowledgement. */
  readonly rewrites: Set<string>;
  generationAhead: number;
  /** `t` of the record that last proved itself by a handshake (F21). */
  provenTime: number | undefined;
  /** The last endpoint that life was seen with. */
  proven: Endpoint | undefined;
  /** The same from the state file, before it was looked at as a record's endpoints are (F19). */
  restored: Endpoint | undefined;
  /** The last endpoint that we wrote, and when (monotonic). */
  lastWrite: { readonly endpoint: Endpoint; readonly at: number } | undefined;
  /** No endpoint is written before this: WireGuard followed the peer by itself, or another program wrote one. */
  handsOffUntil: number;
  /** Monotonic time of the next read of its record; infinite while all its stores tell of changes. */
  nextReadAt: number;
  series: AttemptSeries;
  /** Where it may be reached, best first, and what was seen of each. */
  paths: readonly Path[];
  /** Our public key by which it was last connected: it knows us by that one. */
  connectedBy: PublicKey | undefined;
  /** Its connectivity checks; undefined: it is not on the device, or has no keys. */
  checks: CheckView | undefined;
  /** Its endpoint is kept on this host until a path is valid (F43), and this is what it was before. */
  parkedFrom: Endpoint | undefined;
  /** How the search for a way to it goes. */
  search: SearchView | undefined;
  /** WireGuard's packets to `remote` leave from this port, by rules in the packet filter (F49). */
  diversion: { readonly port: number; readonly remote: Endpoint } | undefined;
  /** It answered an echo at least once, so silence tells. */
  answersEcho: boolean;
  /** Echoes that were sent into the tunnel since the last answer, and when the first of them was; monotonic milliseconds. */
  unansweredEchoes: number;
  unansweredSince: number;
  /** WireGuard's rx counter at the first reading after that, and when a later reading last showed more: it is hearsay for a while only. */
  rxAtSilence: number | undefined;
  rxGrewAt: number | undefined;
  /** Round trip of its last answered ping. */
  rttMs: number | undefined;
  probes: number;
  endpointWrites: number;
  renewals: number;
  reads: number;
  /** What is wrong with the peer itself; what stores are at fault for stands below, by store (F73). */
  fault: Fault | undefined;
  /** Our key is another one than it knows us by, and it has not been connected since. */
  ownKeyFault: Fault | undefined;
  /** Another host publishes under our key, as this peer's place in a store shows (F78: it could forge that). */
  sharedKeyFault: Fault | undefined;
  readonly readFaults: Map<string, Fault>;
  readonly writeFaults: Map<string, Fault>;
  /** Why it cannot be pinged; a tunnel that lives does not clear it. */
  pingFault: Fault | undefined;
}

export interface DeviceEntry {
  readonly name: string;
  /** Replaced by a reload. */
  config: InterfaceConfig;
  peers: readonly PeerEntry[];
  /** The last dump; undefined while the device is missing. */
  facts: Device | undefined;
  /** It is there, and its link is down: nothing is published for it, no peer is looked for. */
  down: boolean;
  /** Where this host may be reached from outside. */
  candidates: readonly LocalCandidate[];
  readonly faults: Map<Family | 'device' | 'advertise', Fault>;
  /** Which STUN servers contradict each other, while a reflexive address is known all the same (F82). */
  readonly disagreements: Map<Family, Fault>;
  /** A STUN server that was asked is a proxy's stand-in, so that what it saw may be the proxy. */
  readonly standIns: Map<Family, Fault>;
  /** The last reflexive address, also when there is none any more; `at`: when it was last seen, milliseconds since 1970. */
  readonly lastReflexive: Map<Family, { readonly endpoint: Endpoint; readonly at: number }>;
  /** How the NATs behave, and which reflexive address they had when that was found. */
  readonly nat: Map<Family, { readonly address: string; readonly summary: NatSummary; readonly port?: number }>;
  readonly checkCounts: CheckCounts;
  /** How the watches of stores do, by the store's name; absent: it cannot be watched, or nobody uses it. */
  readonly watches: Map<string, WatchView>;
  /** How often a peer that is looked for is read at most in a store, in milliseconds; absent: nobody is polled there. */
  readonly readGaps: Map<string, number>;
  /** Where a peer last saw another port of ours than STUN does. */
  readonly portSeen: Map<Family, PortSeen>;
  /** What a router maps to the listen port. */
  readonly portMapping: PortMappingEntry;
  discoveries: number;
  discovering: boolean;
  /** Our own counter and last time, as published (see record/freshness). */
  generation: number;
  lastT: number | undefined;
}

export function createDeviceEntry(config: InterfaceConfig, now: number): DeviceEntry {
  return {
    name: config.name,
    config,
    peers: [...config.peers.values()].map((peer) => createPeerEntry(peer, now)),
    facts: undefined,
    down: false,
    candidates: [],
    faults: new Map(),
    disagreements: new Map(),
    standIns: new Map(),
    lastReflexive: new Map(),
    nat: new Map(),
    checkCounts: createCheckCounts(),
    watches: new Map(),
    readGaps: new Map(),
    portSeen: new Map(),
    portMapping: createPortMappingEntry(),
    discoveries: 0,
    discovering: false,
    generation: 0,
    lastT: undefined,
  };
}

/** Drops what is known of a peer's records in a store instance that is gone or is another one now. */
export function forgetStore(peer: PeerEntry, store: string): void {
  peer.remote.delete(store);
  peer.seen.clear();
  peer.published.delete(store);
  peer.publishRetry.delete(store);
  peer.readFaults.delete(store);
  peer.writeFaults.delete(store);
}

export function createPeerEntry(config: PeerConfig, now: number): PeerEntry {
  return {
    name: config.name,
    config,
    publicKey: config.publicKey,
    phase: 'waiting',
    phaseSince: now,
    unconnectedSince: now,
    observed: undefined,
    life: createLife(),
    channel: undefined,
    keys: undefined,
    budget: createReactionBudget(),
    seen: createSeenRecords(),
    remote: new Map(),
    published: new Map(),
    publishing: new Set(),
    publishRetry: new Map(),
    ownTime: undefined,
    statement: undefined,
    rewrites: new Set(),
    generationAhead: 0,
    provenTime: undefined,
    proven: undefined,
    restored: undefined,
    lastWrite: undefined,
    handsOffUntil: 0,
    nextReadAt: now,
    series: startSeries({ now, renewalsLeft: MOST_RENEWALS }),
    paths: [],
    connectedBy: undefined,
    checks: undefined,
    parkedFrom: undefined,
    search: undefined,
    diversion: undefined,
    answersEcho: false,
    unansweredEchoes: 0,
    unansweredSince: 0,
    rxAtSilence: undefined,
    rxGrewAt: undefined,
    rttMs: undefined,
    probes: 0,
    endpointWrites: 0,
    renewals: 0,
    reads: 0,
    fault: undefined,
    ownKeyFault: undefined,
    sharedKeyFault: undefined,
    readFaults: new Map(),
    writeFaults: new Map(),
    pingFault: undefined,
  };
}

/** A peer that needs watching closely: it is neither connected nor resting. */
export function isUnsettled(peer: PeerEntry): boolean {
  return peer.observed !== undefined && peer.phase !== 'connected' && peer.phase !== 'idle';
}
