/** When our own records are looked after in the stores: does another host publish under our key, was one lost? Few calls, and soon
 * where something speaks for it. */
import { isUnsettled, type PeerEntry } from '../../peers/peer-table.js';
import type { DeviceComponents } from '../device-components.js';
import type { RecordWatches } from '../establish/record-watches.js';
import type { OwnRecord } from './own-record.js';

/** One peer's record in one store: this often while it is unsettled, and slower the longer that takes. */
const GAP_MS = 10_000;
const MOST_GAP_MS = 60_000;
const AGE_SHARE = 1 / 3;
/** So many readings of the peer's own record that a store allows cost one of ours. */
const POLLS = 6;
/** While all is well: one peer at each refresh, at most this often. */
const CALM_GAP_MS = 55_000;
/** So many peers in a second, whatever becomes of them together (F77). */
const MOST_AT_ONCE = 8;
const ONCE_MS = 1_000;
/** While it is unsettled for so long, also where its store tells of changes: from then on the next heartbeat of a host with our key tells of
 * that one, and a lost record shows at a refresh. */
const TOLD_MS = 60_000;
/** So many tell enough of another host that has our key. */
const SAMPLE = 8;

export interface OwnRecordChecks {
  /** A refresh: one peer, another one each time. Never rejects. */
  next(): Promise<void>;
  /** Something speaks against this peer's record: now, or as soon as there is room. Never rejects. */
  soon(peer: PeerEntry): Promise<void>;
  /** A poll tick: those that wait, then peers that are unsettled, or in whose place another host's record was found. Never rejects. */
  due(): Promise<void>;
  /** Another host that has our key uses this store: looks at some that are unsettled. */
  shared(store: string): void;
}

export interface OwnRecordChecksComponents extends Pick<DeviceComponents, 'device' | 'clock' | 'stores'> {
  readonly ownRecord: Pick<OwnRecord, 'check'>;
  readonly watches: Pick<RecordWatches, 'isTold'>;
  /** A record of ours was lost, and has to be written anew. */
  lost(): void;
}

export function createOwnRecordChecks(components: OwnRecordChecksComponents): OwnRecordChecks {
  const { device, clock, stores, ownRecord, watches } = components;
  const checkedAt = new WeakMap<PeerEntry, Map<string, number>>();
  const waiting = new Set<PeerEntry>();
  let windowAt = clock.now();
  let inWindow = 0;

  const check = async (peer: PeerEntry, names: readonly string[]): Promise<boolean> => {
    const at = checkedAt.get(peer) ?? new Map<string, number>();
    checkedAt.set(peer, at);
    for (const name of names) at.set(name, clock.now());
    const lost = await Promise.all(
      names.map(async (name) => {
        const store = stores.get(name);
        return store ? await ownRecord.check(peer, store) : false;
      }),
    );
    if (lost.includes(true)) components.lost();
    return lost.includes(true);
  };

  /** Stores in which this peer's may be looked at again; `told`: also in those that tell of changes. */
  const rested = (peer: PeerEntry, told: boolean): readonly string[] => {
    const now = clock.now();
    const age = isUnsettled(peer) ? now - peer.unconnectedSince : 0;
    return peer.config.plugins.filter((name) => {
      const written = peer.published.get(name);
      if (!written || (!told && age >= TOLD_MS && watches.isTold(peer, name))) return false;
      const pollsMs = POLLS * (stores.get(name)?.traits.minPollMs ?? 0);
      const gapMs = Math.max(GAP_MS, Math.min(age * AGE_SHARE, MOST_GAP_MS), pollsMs);
      return now >= Math.max(written.at, checkedAt.get(peer)?.get(name) ?? Number.NEGATIVE_INFINITY) + gapMs;
    });
  };

  const hasRoom = (): boolean => {
    const now = clock.now();
    if (now - windowAt >= ONCE_MS) [windowAt, inWindow] = [now, 0];
    return inWindow < MOST_AT_ONCE;
  };

  /** Undefined: it may not be looked at yet in any store. */
  const begin = (peer: PeerEntry, told: boolean): Promise<unknown> | undefined => {
    const names = rested(peer, told);
    if (names.length === 0) return undefined;
    waiting.delete(peer);
    inWindow += 1;
    return check(peer, names);
  };

  const due: OwnRecordChecks['due'] = async () => {
    const work: (Promise<unknown> | undefined)[] = [];
    for (const peer of waiting) {
      if (!hasRoom()) break;
      work.push(begin(peer, true));
    }
    for (const peer of device.peers) {
      if (!hasRoom()) break;
      if (isUnsettled(peer) || peer.sharedKeyFault) work.push(begin(peer, peer.sharedKeyFault !== undefined));
    }
    await Promise.all(work);
  };

  let checked = 0;
  let calmAt = clock.now();
  return {
    due,
    async soon(peer) {
      // Nobody else is looked at: where a store fails it is called for each of its peers.
      waiting.add(peer);
      if (hasRoom()) await begin(peer, true);
    },
    shared(store) {
      const affected = device.peers.filter((peer) => isUnsettled(peer) && peer.config.plugins.includes(store));
      for (const peer of affected.slice(0, SAMPLE)) waiting.add(peer);
      void due();
    },
    async next() {
      if (clock.now() - calmAt < CALM_GAP_MS) return;
      calmAt = clock.now();
      const peer = device.peers[checked % Math.max(1, device.peers.length)];
      checked += 1;
      const wasLost = peer && (await check(peer, peer.config.plugins));
      // It may have lost all others as well.
      if (wasLost) for (const each of device.peers) waiting.add(each);
    },
  };
}
