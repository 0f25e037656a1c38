/** Reads peers' records, each store as often as it allows, and tells of those that changed (F13, F23). */
import { hasCode, StunmeshError } from '../../api/index.js';
import { formatEndpoint, sameEndpoint } from '../../net/index.js';
import { isUnsettled, type PeerEntry } from '../../peers/peer-table.js';
import { type ParsedRecord, refusedEndpoint } from '../../record/endpoint-record.js';
import { refusedHere } from '../../record/policy.js';
import { ownPlace, readRecord } from '../../record/reader.js';
import { bearsMark } from '../../record/reader-mark.js';
import { storeKey } from '../../record/store-key.js';
import { backoff } from '../../runtime/backoff.js';
import { type Coalesced, createCoalesced } from '../../runtime/coalesce.js';
import type { DeviceComponents, NamedStore } from '../device-components.js';

const READ_GAP_MS = 1_000;
const WATCHED_READ_GAP_MS = 3_000;
const MOST_READ_GAP_MS = 15_000;
/** A hundred reads a second for a device, then each peer is read less often. */
const READ_GAP_MS_A_PEER = 10;
const COUNTED_MS = 100;
/** What was read so lately is new enough before a write of ours. */
const FRESH_MS = 1_000;
/** So many peers are read by a store's own schedule. */
const SCHEDULED_PEERS = 3;

export interface Reading {
  /** Reads one peer's record from all its stores; `due`: only from those that allow it now, as nothing has happened but time. Never
   * rejects. */
  read(peer: PeerEntry, due?: 'due'): Promise<void>;
  /** Reads it from one store, unless that was tried a moment ago, or the store allows no reading yet. Never rejects. */
  freshen(peer: PeerEntry, store: string): Promise<void>;
  /** What the state file says of the last endpoint goes through the same refusals as a record (F19). */
  screenRestored(peer: PeerEntry): Promise<void>;
  stop(): Promise<void>;
}

export interface ReadingComponents
  extends Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'stores' | 'underlay' | 'faults' | 'emit' | 'signal'> {
  /** A peer's record is another one than before. */
  onRecord(peer: PeerEntry, record: ParsedRecord): void;
  /** A store failed, or holds a record of the peer no more that it held before: ours there may be lost as well. */
  onLoss(peer: PeerEntry): void;
  /** A store was read: what it holds, be it the same as before; undefined: no record. Awaited before onRecord. Never rejects. */
  onRead?(peer: PeerEntry, record: ParsedRecord | undefined, store: string): Promise<void>;
}

export function createReading(components: ReadingComponents): Reading {
  const { device, clock, logger, stores, underlay, faults, emit, signal } = components;
  /** By peer and store: one that hangs keeps no other waiting (F13), and one that allows few reads makes no other rare. */
  const jobs = new Map<PeerEntry, Map<string, Coalesced>>();
  const dueAt = new WeakMap<Coalesced, number>();
  const triedAt = new WeakMap<Coalesced, number>();
  const running = new WeakMap<Coalesced, Promise<void>>();
  let counted = { at: Number.NEGATIVE_INFINITY, unsettled: 0 };

  /** Counted once for all that is read in the same moment, or a refresh of a crowd would walk it for each of its peers. */
  const countUnsettled = (): number => {
    if (clock.now() - counted.at > COUNTED_MS)
      counted = { at: clock.now(), unsettled: device.peers.filter(isUnsettled).length };
    return counted.unsettled;
  };

  /** How soon a store is asked again: about every second at first, slower the longer it takes, never faster than it allows; or as it
   * schedules it itself (F67). */
  const gapOf = (peer: PeerEntry, name: string): number => {
    const age = clock.now() - peer.unconnectedSince;
    const { minPollMs = 0, pollSchedule } = stores.get(name)?.traits ?? {};
    if (pollSchedule) {
      const step = isUnsettled(peer) ? pollSchedule.find(({ untilMs }) => age < untilMs) : undefined;
      return (step?.everyMs ?? minPollMs) * crowding(name);
    }
    // Watching never replaces polling: it goes on beside it, slower.
    const watched = peer.config.plugins.every((plugin) => stores.get(plugin)?.watch !== undefined);
    const gapMs = watched ? WATCHED_READ_GAP_MS : READ_GAP_MS;
    const crowdMs = countUnsettled() * READ_GAP_MS_A_PEER;
    return Math.max(minPollMs, backoff(age, Math.min(Math.max(gapMs, crowdMs), MOST_READ_GAP_MS), MOST_READ_GAP_MS));
  };

  /** A schedule is made for few: with more peers each is read as much less often (F66). */
  const crowding = (name: string): number => {
    const wanting = device.peers.filter((peer) => isUnsettled(peer) && peer.config.plugins.includes(name));
    return Math.max(1, wanting.length / SCHEDULED_PEERS);
  };

  /** True when it is another than before. */
  const keep = (peer: PeerEntry, store: string, record: ParsedRecord, sealed: string): boolean => {
    const before = peer.remote.get(store)?.record;
    const marked = peer.keys !== undefined && bearsMark(peer.keys.readerMark('peer'), sealed);
    const readsLong = marked || record.c?.readsLong === true;
    peer.remote.set(store, { record, store, readAt: clock.wallNow(), readsLong });
    const same =
      before &&
      before.t === record.t &&
      sameEndpoint(before.ipv4, record.ipv4) &&
      sameEndpoint(before.ipv6, record.ipv6);
    if (same) return false;
    emit('record', peer, {
      store,
      ...(record.ipv4 ? { ipv4: formatEndpoint(record.ipv4) } : {}),
      ...(record.ipv6 ? { ipv6: formatEndpoint(record.ipv6) } : {}),
      ...(record.t === undefined ? {} : { t: record.t }),
    });
    return true;
  };

  /** The record where it is another than before; undefined where not. Failures stay with the peer. */
  const readOne = async (peer: PeerEntry, store: NamedStore): Promise<ParsedRecord | undefined> => {
    const { facts } = device;
    const { channel } = peer;
    if (!facts || !channel) return undefined;
    try {
      const sealed = await store.get(storeKey(peer.publicKey, facts.publicKey), { signal });
      peer.reads += 1;
      if (sealed === undefined) {
        const had = peer.remote.delete(store.name);
        faults.settleStore(peer, 'read', store.name);
        await components.onRead?.(peer, undefined, store.name);
        if (had) components.onLoss(peer);
        return undefined;
      }
      const record = await readRecord({
        sealed,
        channel,
        peer: peer.publicKey,
        place: await ownPlace(facts, underlay),
        published: device.candidates.flatMap(({ type, endpoint }) => (type === 'host' ? [] : [endpoint])),
      });
      const changed = keep(peer, store.name, record, sealed);
      if (record.problems.length === 0) faults.settleStore(peer, 'read', store.name);
      else {
        const text = `part of the peer's record is not used: ${record.problems.join('; ')}`;
        const what = `cannot use all of the record in store "${store.name}"`;
        faults.noteStore(peer, 'read', store.name, new StunmeshError('ERR_RECORD_ENDPOINT', text), what);
      }
      await components.onRead?.(peer, record, store.name);
      return changed ? record : undefined;
    } catch (error) {
      faults.noteStore(peer, 'read', store.name, error, `cannot use the record in store "${store.name}"`);
      if (hasCode(error, 'ERR_STORE_UNAVAILABLE')) components.onLoss(peer);
      return undefined;
    }
  };

  const job = (peer: PeerEntry, name: string): Coalesced => {
    const ofPeer = jobs.get(peer) ?? new Map<string, Coalesced>();
    jobs.set(peer, ofPeer);
    const look = async (): Promise<void> => {
      // Looked up each time: a reload may have put another store under the name.
      const store = stores.get(name);
      if (!store || !peer.config.plugins.includes(name)) return;
      const record = await readOne(peer, store);
      if (record) components.onRecord(peer, record);
    };
    const run = async (): Promise<void> => {
      triedAt.set(known, clock.now());
      running.set(known, look());
      await running.get(known)?.finally(() => running.delete(known));
    };
    const known = ofPeer.get(name) ?? createCoalesced(run, (error) => faults.note(peer, error, 'could not connect'));
    ofPeer.set(name, known);
    return known;
  };

  return {
    async read(peer, due) {
      const now = clock.now();
      const wanted = peer.config.plugins.map((name) => ({ name, one: job(peer, name) }));
      const rested = due ? wanted.filter(({ one }) => now >= (dueAt.get(one) ?? 0)) : wanted;
      for (const { name, one } of rested) dueAt.set(one, now + gapOf(peer, name));
      peer.nextReadAt = Math.min(...wanted.map(({ one }) => dueAt.get(one) ?? now));
      await Promise.all(rested.map(({ one }) => one.trigger()));
    },
    async freshen(peer, name) {
      const one = job(peer, name);
      const gapMs = Math.max(FRESH_MS, stores.get(name)?.traits.minPollMs ?? 0);
      if (clock.now() - (triedAt.get(one) ?? Number.NEGATIVE_INFINITY) >= gapMs) await one.trigger();
      else await running.get(one);
    },
    async screenRestored(peer) {
      const { restored } = peer;
      if (!restored || !device.facts) return;
      peer.restored = undefined;
      const place = await ownPlace(device.facts, underlay);
      const reason = refusedEndpoint(restored) ?? (await refusedHere(restored, place));
      if (reason === undefined) peer.proven ??= restored;
      else logger.warn({ device: device.name, peer: peer.name, reason }, 'the endpoint in the state file is not used');
    },
    async stop() {
      await Promise.all([...jobs.values()].flatMap((ofPeer) => [...ofPeer.values()].map((one) => one.stop())));
    },
  };
}
