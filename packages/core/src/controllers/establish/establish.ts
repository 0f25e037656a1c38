/** Reads peers' records and connects the peers that need it; a healthy one is left alone (F13, F16, F23). */
import type { Endpoint } from '../../api/index.js';
import { sameEndpoint } from '../../net/index.js';
import { candidates, DWELL_MS, SESSION_DWELL_MS } from '../../paths/check-list.js';
import { hasSession, onRecordChange } from '../../peers/health.js';
import type { DeviceEntry, PeerEntry } from '../../peers/peer-table.js';
import { isUnsettled } from '../../peers/peer-table.js';
import type { ParsedRecord } from '../../record/endpoint-record.js';
import { freshness } from '../../record/freshness.js';
import { patience } from '../../runtime/backoff.js';
import { type Coalesced, createCoalesced } from '../../runtime/coalesce.js';
import { setPhase } from '../bootstrap/device-observer.js';
import type { Controllers } from '../device-components.js';
import { allowedPunches, type Connector, WRITE_GAP_MS } from './attempt.js';
import { noteFault, readOne, screenRestored } from './reading.js';

const QUICK_ATTEMPTS = 3;
const QUICK_GAP_MS = 1_000;
/** Each side stays with a candidate a little longer or shorter, or two might miss each other for ever. */
const DWELL_SPREAD = 0.2;
/** WireGuard itself begins a handshake at most every five seconds. */
const ATTEMPT_GAP_MS = 5_000;
const MOST_GAP_MS = 30_000;
const READ_GAP_MS = 1_000;
const WATCHED_READ_GAP_MS = 3_000;
const MOST_READ_GAP_MS = 15_000;

export interface Establish {
  /** Reads one peer's record from all its stores, and acts on a changed one; `due`: only from those that bear it now, as nothing
   * has happened but time. Never rejects. */
  read(device: DeviceEntry, peer: PeerEntry, due?: 'due'): Promise<void>;
  /** One attempt to connect. Never rejects. */
  connect(device: DeviceEntry, peer: PeerEntry): Promise<void>;
  /** Starts a new series of attempts, quick ones first: something changed that makes success likely. */
  hurry(device: DeviceEntry, peer: PeerEntry): void;
  /** Our mapping changed: opens our new NAT mapping towards every peer, before it is published (F18c). */
  openTowardsAll(device: DeviceEntry): Promise<void>;
  stop(): Promise<void>;
}

export interface EstablishParts {
  readonly connector: Connector;
  /** A connected peer's record changed: is the present path dead? */
  probe(device: DeviceEntry, peer: PeerEntry): void;
}

export function createEstablish(c: Controllers, parts: EstablishParts): Establish {
  const { connector } = parts;
  /** By peer and store: one that hangs keeps no other waiting (F13), and one that bears few reads makes no other rare. */
  const reads = new Map<PeerEntry, Map<string, Coalesced>>();
  const readAt = new WeakMap<Coalesced, number>();
  const attempts = new Map<PeerEntry, Coalesced>();
  const report = (device: DeviceEntry, peer: PeerEntry) => (error: unknown) =>
    noteFault(c, device, peer, error, 'could not connect');

  const job = <Key>(
    jobs: Map<Key, Coalesced>,
    key: Key,
    device: DeviceEntry,
    peer: PeerEntry,
    run: () => Promise<void>,
  ): Coalesced => {
    const known = jobs.get(key) ?? createCoalesced(run, report(device, peer));
    jobs.set(key, known);
    return known;
  };

  const connect: Establish['connect'] = (device, peer) =>
    job(attempts, peer, device, peer, () => connectOnce(c, connector, device, peer)).trigger();

  const hurry: Establish['hurry'] = (device, peer) => {
    const now = c.clock.now();
    peer.quickAttempts = QUICK_ATTEMPTS;
    peer.nextKickAt = now;
    peer.tryingSince = now;
    peer.dwellMs =
      (hasSession(peer.life, now) ? SESSION_DWELL_MS : DWELL_MS) * (1 + DWELL_SPREAD * (2 * Math.random() - 1));
    void connect(device, peer);
  };

  const act = (device: DeviceEntry, peer: PeerEntry, record: ParsedRecord): void => {
    // What a store shows a second time, or what is older than the record that proved itself, says nothing (F21, F77): it is a
    // candidate, which has its turn.
    const fresh = freshness(record.t, peer.floor, c.clock.wallNow() / 1000) === 'new';
    if (peer.seen.seenBefore(record, c.clock.now()) || !fresh) return;
    if (isUnsettled(peer)) {
      peer.renewalsLeft = QUICK_ATTEMPTS;
      hurry(device, peer);
      return;
    }
    const { endpoint } = peer.wg ?? {};
    const verdict = onRecordChange({
      phase: peer.phase,
      inUse: sameEndpoint(record.ipv4, endpoint) || sameEndpoint(record.ipv6, endpoint),
    });
    if (verdict === 'keep') return;
    // Where the peer is at the new address already, its next packet comes through, and WireGuard follows it by itself.
    void connector.punch(device, allowedPunches(peer, candidatesOf(c, device, peer), c.clock.now()));
    parts.probe(device, peer);
  };

  const readFrom = async (device: DeviceEntry, peer: PeerEntry, name: string): Promise<void> => {
    const store = c.stores.get(name);
    if (!store || !device.facts || !peer.channel || !peer.config.plugins.includes(name)) return;
    const record = await readOne(c, device, peer, store);
    if (record) act(device, peer, record);
  };

  const read: Establish['read'] = async (device, peer, due) => {
    const now = c.clock.now();
    peer.nextReadAt = now + readGap(c, peer);
    const jobs = reads.get(peer) ?? new Map<string, Coalesced>();
    reads.set(peer, jobs);
    const wanted = peer.config.plugins.map((name) => ({
      name,
      one: job(jobs, name, device, peer, () => readFrom(device, peer, name)),
    }));
    const rested = wanted.filter(({ name, one }) => now - (readAt.get(one) ?? 0) >= bearable(c, name));
    await Promise.all(
      (due ? rested : wanted).map(({ one }) => {
        readAt.set(one, now);
        return one.trigger();
      }),
    );
  };

  return {
    read,
    connect,
    hurry,
    async openTowardsAll(device) {
      const present = device.peers.filter((peer) => peer.wg);
      const towards = present.flatMap((peer) => {
        const endpoints = isUnsettled(peer)
          ? candidatesOf(c, device, peer)
          : peer.wg?.endpoint
            ? [peer.wg.endpoint]
            : [];
        return allowedPunches(peer, endpoints, c.clock.now());
      });
      await connector.punch(device, towards);
      const connected = present.filter((peer) => peer.phase === 'connected');
      for (const peer of present) if (isUnsettled(peer)) hurry(device, peer);
      // An idle tunnel costs nothing until somebody uses it (F42b).
      await Promise.all(connected.map((peer) => connector.kick(device, peer)));
      for (const peer of connected) parts.probe(device, peer);
    },
    async stop() {
      const jobs = [...reads.values()].flatMap((byStore) => [...byStore.values()]);
      await Promise.all([...jobs, ...attempts.values()].map((j) => j.stop()));
    },
  };
}

async function connectOnce(c: Controllers, connector: Connector, device: DeviceEntry, peer: PeerEntry): Promise<void> {
  const now = c.clock.now();
  const quick = peer.quickAttempts > 0;
  if (quick) peer.quickAttempts -= 1;
  const gapMs = patience(now - peer.unconnectedSince, ATTEMPT_GAP_MS, MOST_GAP_MS);
  peer.nextKickAt = now + (quick && peer.quickAttempts > 0 ? QUICK_GAP_MS : gapMs);
  if (!isUnsettled(peer)) return;
  await screenRestored(c, device, peer);
  const endpoints = candidatesOf(c, device, peer);
  if (endpoints.length === 0) return;
  // While attempts come often the next candidate need not wait for one.
  if (endpoints.length > 1 && gapMs === ATTEMPT_GAP_MS)
    peer.nextKickAt = Math.min(
      peer.nextKickAt,
      Math.max(turnEndsAt(peer, now), (peer.lastWrite?.at ?? 0) + WRITE_GAP_MS),
    );
  await connector.attempt(device, peer, endpoints);
  if (isUnsettled(peer)) setPhase(c, device, peer, 'connecting');
}

/** When the next candidate has its turn; monotonic milliseconds. */
function turnEndsAt({ tryingSince, dwellMs }: PeerEntry, now: number): number {
  return tryingSince + dwellMs * (Math.floor((now - tryingSince) / dwellMs) + 1);
}

function candidatesOf(c: Controllers, device: DeviceEntry, peer: PeerEntry): readonly Endpoint[] {
  return candidates({
    records: [...peer.remote.values()].map((r) => r.record),
    protocol: peer.config.protocol,
    floor: peer.floor,
    families: new Set(device.mappings.keys()),
    proven: peer.proven,
    wallNow: c.clock.wallNow(),
    unconnectedForMs: c.clock.now() - peer.unconnectedSince,
    tryingForMs: c.clock.now() - peer.tryingSince,
    dwellMs: peer.dwellMs,
  });
}

/** How soon a store may be asked again (F23): about every second at first, slower the longer it takes, never faster than one of
 * them bears. */
function readGap(c: Controllers, peer: PeerEntry): number {
  const stores = peer.config.plugins.flatMap((name) => c.stores.get(name) ?? []);
  const least = stores.length === 0 ? 0 : Math.min(...stores.map(({ name }) => bearable(c, name)));
  // Watching never replaces polling: it goes on beside it, slower.
  const watched = stores.every((store) => store.watch !== undefined);
  const gapMs = watched ? WATCHED_READ_GAP_MS : READ_GAP_MS;
  return Math.max(least, patience(c.clock.now() - peer.unconnectedSince, gapMs, MOST_READ_GAP_MS));
}

function bearable(c: Controllers, store: string): number {
  return c.stores.get(store)?.traits.minPollMs ?? 0;
}
