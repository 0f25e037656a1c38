/** Our own record as a store holds it: it spares a write, and tells how far its time and generation had come (F21). The peer it is
 * for could have forged it, for the two keys seal both ways; so it touches what is written for that peer alone (F78). */
import { type Family, isStunmeshError, StunmeshError } from '../../api/index.js';
import { natOf } from '../../nat/code.js';
import { formatEndpoint, sameEndpoint } from '../../net/index.js';
import { localCandidate } from '../../paths/candidate.js';
import { statedAddresses } from '../../paths/own-addresses.js';
import { createFault } from '../../peers/faults.js';
import type { PeerEntry } from '../../peers/peer-table.js';
import { fingerprint, type ParsedRecord } from '../../record/endpoint-record.js';
import { clampOwnTime } from '../../record/freshness.js';
import { openRecord } from '../../record/reader.js';
import { storeKey } from '../../record/store-key.js';
import type { DeviceComponents, NamedStore } from '../device-components.js';
import { toldNat } from './statement.js';

export interface OwnRecord {
  /** find() will be called soon: the store is asked now. */
  ask(peer: PeerEntry, store: NamedStore): void;
  /** Looks for our record for this peer in a store. Never rejects. */
  find(peer: PeerEntry, store: NamedStore): Promise<void>;
  /** Looks whether it is still what we wrote: a newer one is another host's that has our key. True: it has to be written anew, since it is
   * there no more, or the store is not, or that host has gone. Never rejects. */
  check(peer: PeerEntry, store: NamedStore): Promise<boolean>;
  /** The generation that a record for this peer tells: the device's own, or one that goes on from what the peer saw last. */
  generation(peer: PeerEntry): number;
}

/** Connected for so long, and another host's record has not changed meanwhile: that one is gone, and the place is ours again. */
const HELD_MS = 20_000;
/** What a store said so long ago is asked for again. */
const ASKED_MS = 5_000;
/** And is told for so long after it was last seen: a clone that cannot reach the peer writes seldom. */
const TOLD_MS = 120_000;

type StoredRecord = ParsedRecord & { readonly length: number };

export type OwnRecordComponents = Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'emit' | 'signal'>;

export function createOwnRecord({ device, clock, logger, emit, signal }: OwnRecordComponents): OwnRecord {
  const reflexive = (family: Family) => localCandidate(device.candidates, 'reflexive', family)?.endpoint;

  /** Ours for this peer, and the characters of its sealed form, as the store holds it; `gone`: it holds none, or its place is not there;
   * undefined: none that is ours or can be read, and nothing is made of that: a damaged one is simply written anew, a store that is down
   * shows at the write. */
  const read = async (peer: PeerEntry, store: NamedStore): Promise<StoredRecord | 'gone' | undefined> => {
    const { facts } = device;
    if (!facts || !peer.channel) return undefined;
    try {
      const sealed = await store.get(storeKey(facts.publicKey, peer.publicKey), { signal });
      if (sealed === undefined) return 'gone';
      const record = openRecord(sealed, peer.channel);
      return record.f === fingerprint(facts.publicKey) ? { ...record, length: sealed.length } : undefined;
    } catch (error) {
      // One that failed a moment ago and was not even asked tells nothing.
      if (!isStunmeshError(error) || error.code !== 'ERR_STORE_UNAVAILABLE') return undefined;
      return error.details['circuit'] === undefined ? 'gone' : undefined;
    }
  };

  /** What a store was asked for already; an answer that nobody used is not asked for a second time in advance. */
  const asked = new WeakMap<
    PeerEntry,
    Map<NamedStore, { readonly at: number; readonly channel: unknown; readonly answer: ReturnType<typeof read> }>
  >();

  const answerOf = (peer: PeerEntry, store: NamedStore): ReturnType<typeof read> => {
    const known = asked.get(peer)?.get(store);
    asked.get(peer)?.delete(store);
    if (!known || known.channel !== peer.channel || clock.now() - known.at >= ASKED_MS) return read(peer, store);
    return known.answer;
  };

  /** The time of another host's record in our place, as the last look found it; by store. */
  const foreign = new WeakMap<PeerEntry, Map<string, number | undefined>>();

  /** Who has the tunnel holds the record, and nobody writes against one who goes on writing. */
  const isLeftOver = (peer: PeerEntry, store: NamedStore, record: ParsedRecord): boolean => {
    const seen = foreign.get(peer) ?? new Map<string, number | undefined>();
    foreign.set(peer, seen);
    const same = seen.has(store.name) && seen.get(store.name) === record.t;
    seen.set(store.name, record.t);
    return same && !isHere(record) && peer.phase === 'connected' && clock.now() - peer.phaseSince >= HELD_MS;
  };

  /** A record with our very addresses is written by a host that is where we are. */
  const isHere = ({ ipv4, ipv6 }: ParsedRecord): boolean =>
    device.candidates.length > 0 && sameEndpoint(ipv4, reflexive(4)) && sameEndpoint(ipv6, reflexive(6));

  const noteSharedKey = (peer: PeerEntry, record: ParsedRecord): void => {
    const { ipv4, ipv6 } = record;
    const where = [ipv4, ipv6].flatMap((endpoint) => (endpoint ? [formatEndpoint(endpoint)] : [])).join(' and ');
    const newer = 'the store holds a newer record of ours that we did not write';
    const error = isHere(record)
      ? new StunmeshError(
          'ERR_LOCKED',
          `another stunmesh serves ${device.name}: ${newer}, with our very address ${where}; it runs on this host with other folders, or in a container: end one of the two`,
        )
      : new StunmeshError(
          'ERR_KEY_SHARED',
          `another host uses the WireGuard key of ${device.name}: ${newer}, for ${where || 'no address'}; give each host a key of its own`,
        );
    const told = peer.sharedKeyFault?.message === error.message;
    peer.sharedKeyFault = createFault(error, clock.wallNow());
    if (told) return;
    logger.warn({ device: device.name, peer: peer.name, error }, 'who else uses our WireGuard key?');
    emit('fault', peer, { code: error.code, message: error.message });
  };

  return {
    generation: (peer) => device.generation + peer.generationAhead,
    ask(peer, store) {
      const ofPeer = asked.get(peer) ?? new Map();
      asked.set(peer, ofPeer);
      if (ofPeer.has(store)) return;
      ofPeer.set(store, { at: clock.now(), channel: peer.channel, answer: read(peer, store) });
    },
    async find(peer, store) {
      const record = await answerOf(peer, store);
      if (!record || record === 'gone') return;
      const { ipv4, ipv6 } = record;
      const t = record.t === undefined ? undefined : clampOwnTime(record.t, clock.wallNow() / 1000);
      const known = peer.ownTime ?? device.lastT;
      // With our very address it is our own from before a crash that came too early for the state.
      if (known !== undefined && t !== undefined && t > known && !isHere(record)) noteSharedKey(peer, record);
      if (t !== undefined) peer.ownTime = Math.max(peer.ownTime ?? 0, t);
      // A host that moved while it was down, and lost its state, says so by a larger count all the same.
      const moved = ([4, 6] as const).some((family) => {
        const told = family === 4 ? ipv4 : ipv6;
        const now = reflexive(family);
        return told !== undefined && now !== undefined && !sameEndpoint(told, now);
      });
      if (record.n !== undefined) {
        // 16 bits, compared by RFC 1982.
        const ahead = (record.n + (moved ? 1 : 0) - device.generation) & 0xffff;
        if (ahead < 0x8000) peer.generationAhead = Math.max(peer.generationAhead, ahead);
      }
      const nat = toldNat(natOf(record.c));
      peer.published.set(store.name, {
        ...(ipv4 ? { ipv4 } : {}),
        ...(ipv6 ? { ipv6 } : {}),
        ...(t === undefined ? {} : { t }),
        addresses: statedAddresses(record),
        ...(nat === undefined ? {} : { nat }),
        omitted: [],
        length: record.length,
        limit: record.length,
        at: clock.now() - Math.max(0, clock.wallNow() - (t ?? 0) * 1000),
        wallAt: (t ?? 0) * 1000,
      });
    },
    async check(peer, store) {
      const written = peer.published.get(store.name);
      if (written?.t === undefined || peer.publishing.has(store.name)) return false;
      const record = await read(peer, store);
      // We wrote meanwhile: it is the next look's business.
      if (!record || peer.published.get(store.name) !== written || peer.publishing.has(store.name)) return false;
      if (record === 'gone') {
        peer.published.delete(store.name);
        return true;
      }
      const isForeign =
        (record.t ?? 0) > written.t ||
        (record.t === written.t &&
          !(sameEndpoint(record.ipv4, written.ipv4) && sameEndpoint(record.ipv6, written.ipv6)));
      if (!isForeign) {
        const toldFor = clock.wallNow() - (peer.sharedKeyFault?.at ?? 0);
        if (record.t === written.t && toldFor >= TOLD_MS) peer.sharedKeyFault = undefined;
        return false;
      }
      noteSharedKey(peer, record);
      if (!isLeftOver(peer, store, record)) return false;
      peer.published.delete(store.name);
      return true;
    },
  };
}
