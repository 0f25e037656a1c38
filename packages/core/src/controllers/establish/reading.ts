/** Reads peers' records, each store as often as it allows, and tells of those that changed (F13, F23). */
import { hasCode, StunmeshError } from '../../api/index.js';
import { formatEndpoint, sameEndpoint } from '../../net/index.js';
import { isUnsettled, type PeerEntry } from '../../peers/peer-table.js';
import { type ParsedRecord, refusedEndpoint } from '../../record/endpoint-record.js';
import { refusedHere } from '../../record/policy.js';
import { ownPlace, readRecord } from '../../record/reader.js';
import { bearsMark } from '../../record/reader-mark.js';
import { storeKey } from '../../record/store-key.js';
import { type Coalesced, createCoalesced } from '../../runtime/coalesce.js';
import type { DeviceComponents, NamedStore } from '../device-components.js';
import { firstReadAt, nextReadAt, type ReadPace, readGapMs } from './read-pace.js';
import type { RecordWatches } from './record-watches.js';

const COUNTED_MS = 100;
/** What was read so lately is new enough before a write of ours. */
const FRESH_MS = 1_000;
/** From when on a store may be read again: because time has passed, and because the peer gave a sign of itself. */
interface Due {
  readonly polled: number;
  readonly allowed: number;
}

export interface Reading {
  /** Reads one peer's record from all its stores. `due`: only from those that are to be polled now, as nothing has happened but time;
   * `sign`: from those that allow it now, as the peer gave a sign of itself. Never rejects. */
  read(peer: PeerEntry, why?: 'due' | 'sign'): Promise<void>;
  /** A store told that the peer's record is another one: reads it there. Never rejects. */
  readFrom(peer: PeerEntry, store: string): Promise<void>;
  /** There was news of the peer's record in this store that was not looked into: it is read at its pace, though the store tells of changes. */
  owed(peer: PeerEntry, store: string): void;
  /** Whether changes in a store are told is another answer than before, for one peer or for all: those that are looked for there are read
   * at their pace, unless they were since `since`. From then on they are polled, or what is told is relied on. True: the next reading is
   * earlier than it was. */
  turned(store: string, of?: { readonly peer?: PeerEntry; readonly since?: number }): boolean;
  /** Reads it from one store, unless that was tried a moment ago, or the store allows no reading yet. Never rejects. */
  freshen(peer: PeerEntry, store: string): Promise<void>;
  /** What the state file says of the last endpoint goes through the same refusals as a record (F19). */
  screenRestored(peer: PeerEntry): Promise<void>;
  stop(): Promise<void>;
}

export interface ReadingComponents
  extends Pick<
    DeviceComponents,
    'device' | 'clock' | 'logger' | 'stores' | 'underlay' | 'faults' | 'emit' | 'signal' | 'settings'
  > {
  readonly watches: Pick<RecordWatches, 'isTold' | 'found'>;
  /** A peer's record is another one than before. */
  onRecord(peer: PeerEntry, record: ParsedRecord): void;
  /** A store failed, or holds a record of the peer no more that it held before: ours there may be lost as well. */
  onLoss(peer: PeerEntry): void;
  /** A store was read: what it holds, be it the same as before; undefined: no record. Awaited before onRecord. Never rejects. */
  onRead?(peer: PeerEntry, record: ParsedRecord | undefined, store: string): Promise<void>;
}

export function createReading(components: ReadingComponents): Reading {
  const { device, clock, logger, stores, underlay, faults, emit, signal, watches } = components;
  /** By peer and store: one that hangs keeps no other waiting (F13), and one that allows few reads makes no other rare. */
  const jobs = new Map<PeerEntry, Map<string, Coalesced>>();
  const dueAt = new WeakMap<Coalesced, Due>();
  const triedAt = new WeakMap<Coalesced, number>();
  const running = new WeakMap<Coalesced, Promise<void>>();
  const news = new WeakSet<Coalesced>();
  /** By store: peers of whom a reading is owed, since one failed, or was not made, that a watch had told of. */
  const owing = new Map<string, Set<PeerEntry>>();
  const counted = new Map<string, { readonly at: number; readonly pace: ReadPace }>();

  /** Made once for all that is read in the same moment, or a refresh of a crowd would walk it for each of its peers. */
  const paceOf = (name: string): ReadPace => {
    const known = counted.get(name);
    if (known && clock.now() - known.at <= COUNTED_MS) return known.pace;
    const { traits = { maxValueBytes: 0, minPollMs: 0 }, readsMany = false } = stores.get(name) ?? {};
    let polled = 0;
    for (const peer of device.peers)
      if (isUnsettled(peer) && peer.config.plugins.includes(name) && !watches.isTold(peer, name)) polled += 1;
    const pace = { traits, readsMany, polled, refreshIntervalMs: components.settings().refreshIntervalMs };
    counted.set(name, { at: clock.now(), pace });
    if (polled === 0) device.readGaps.delete(name);
    else device.readGaps.set(name, readGapMs(pace, 0));
    return pace;
  };

  const nextDue = (peer: PeerEntry, name: string): Due => {
    const now = clock.now();
    const age = now - peer.unconnectedSince;
    const pace = paceOf(name);
    const gapMs = readGapMs(pace, pace.traits.pollSchedule && !isUnsettled(peer) ? undefined : age);
    const polled = watches.isTold(peer, name) ? Number.POSITIVE_INFINITY : nextReadAt(pace, gapMs, now, Math.random());
    return { polled, allowed: now + gapMs };
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

  /** A store that tells of changes does not tell twice: what was not read is asked for again. */
  const owe = (peer: PeerEntry, name: string): void => {
    const one = job(peer, name);
    const due = dueAt.get(one);
    if (!isUnsettled(peer) || Number.isFinite(due?.polled)) return;
    const ofStore = owing.get(name) ?? new Set();
    owing.set(name, ofStore.add(peer));
    const now = clock.now();
    const pace = { ...paceOf(name), polled: ofStore.size };
    const polled = nextReadAt(pace, readGapMs(pace, now - peer.unconnectedSince), now, Math.random());
    dueAt.set(one, { allowed: due?.allowed ?? polled, polled });
    peer.nextReadAt = Math.min(peer.nextReadAt, polled);
  };

  /** The record where it is another than before; undefined where not. Failures stay with the peer. */
  const readOne = async (peer: PeerEntry, store: NamedStore): Promise<ParsedRecord | undefined> => {
    const { facts } = device;
    const { channel } = peer;
    if (!facts || !channel) return undefined;
    try {
      const sealed = await store.get(storeKey(peer.publicKey, facts.publicKey), { signal });
      peer.reads += 1;
      owing.get(store.name)?.delete(peer);
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
      owe(peer, store.name);
      return undefined;
    }
  };

  const job = (peer: PeerEntry, name: string): Coalesced => {
    const ofPeer = jobs.get(peer) ?? new Map<string, Coalesced>();
    jobs.set(peer, ofPeer);
    const look = async (before: number | undefined): Promise<void> => {
      const wasTold = news.delete(known);
      // Looked up each time: a reload may have put another store under the name.
      const store = stores.get(name);
      if (!store || !peer.config.plugins.includes(name)) return;
      const record = await readOne(peer, store);
      if (!record) return;
      if (!wasTold && before !== undefined) watches.found(peer, name, before);
      components.onRecord(peer, record);
    };
    const run = async (): Promise<void> => {
      const before = triedAt.get(known);
      triedAt.set(known, clock.now());
      running.set(known, look(before));
      await running.get(known)?.finally(() => running.delete(known));
    };
    const known = ofPeer.get(name) ?? createCoalesced(run, (error) => faults.note(peer, error, 'could not connect'));
    ofPeer.set(name, known);
    return known;
  };

  return {
    async read(peer, why) {
      const now = clock.now();
      const wanted = peer.config.plugins.map((name) => ({ name, one: job(peer, name) }));
      const rested = wanted.filter(({ one }) => {
        const due = dueAt.get(one);
        return why === undefined || !due || now >= (why === 'due' ? due.polled : due.allowed);
      });
      for (const { name, one } of rested) dueAt.set(one, nextDue(peer, name));
      peer.nextReadAt = Math.min(...wanted.map(({ one }) => dueAt.get(one)?.polled ?? now));
      await Promise.all(rested.map(({ one }) => one.trigger()));
    },
    async readFrom(peer, name) {
      const one = job(peer, name);
      news.add(one);
      await one.trigger();
    },
    owed: owe,
    turned(name, { peer: only, since = Number.POSITIVE_INFINITY } = {}) {
      counted.delete(name);
      if (!only) owing.delete(name);
      const now = clock.now();
      const affected = (only ? [only] : device.peers).flatMap((peer) => {
        const one = jobs.get(peer)?.get(name);
        const due = one && dueAt.get(one);
        return due && isUnsettled(peer) && (triedAt.get(one) ?? now) < since ? { peer, one, due } : [];
      });
      const pace = { ...paceOf(name), polled: affected.length };
      let earlier = false;
      for (const { peer, one, due } of affected) {
        const gapMs = readGapMs(pace, now - peer.unconnectedSince);
        const polled = firstReadAt(pace, gapMs, now, Math.random());
        dueAt.set(one, { ...due, polled: Math.min(due.polled, polled) });
        earlier ||= polled < peer.nextReadAt;
        peer.nextReadAt = Math.min(peer.nextReadAt, polled);
      }
      return earlier;
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
