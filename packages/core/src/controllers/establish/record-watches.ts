/** Listens to the stores that tell of changes, so that a new record is used at once, and knows where it need not be polled for. */
import { isUnsettled, type PeerEntry } from '../../peers/peer-table.js';
import { heartbeatKey, storeKey } from '../../record/store-key.js';
import { inSlices } from '../../runtime/slices.js';
import type { DeviceComponents } from '../device-components.js';
import { createStoreWatch, type StoreWatching, type WatchNews } from './store-watch.js';

export interface RecordWatches extends AsyncDisposable {
  /** The device, its peers or the stores are others now: all are watched anew. */
  rewatch(): void;
  /** A poll tick. */
  tick(): void;
  /** When a tick is needed, monotonic milliseconds. */
  readonly dueAt: number;
  /** A change of this peer's record in this store would be heard. */
  isTold(peer: PeerEntry, store: string): boolean;
  /** A reading that no news had brought about found another record than the one before, which began at `since`. */
  found(peer: PeerEntry, store: string, since: number): void;
}

export interface RecordWatchesComponents
  extends Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'stores' | 'signal'> {
  readonly on: {
    /** A peer's record in this store may be another one. */
    changed(peer: PeerEntry, store: string): void;
    /** Whether changes in this store are told is another answer than before (WatchNews). */
    turned(store: string, of: Parameters<WatchNews['turned']>[0]): void;
    /** Another host that has our key uses this store. */
    shared(store: string): void;
  };
}

export function createRecordWatches(components: RecordWatchesComponents): RecordWatches {
  const { device, clock, stores, on } = components;
  const watching = new Map<string, StoreWatching>();
  let changing: Promise<void> | undefined;
  let closed = false;

  const closeAll = async (): Promise<void> => {
    const open = [...watching.values()];
    watching.clear();
    device.watches.clear();
    // A module that cannot close its watch keeps nobody else from being watched.
    await Promise.allSettled(open.map((one) => one[Symbol.asyncDispose]()));
  };

  const openAll = async (): Promise<void> => {
    const { facts } = device;
    if (!facts) return;
    for (const store of stores.values()) {
      if (!store.watch) continue;
      const keys = new Map<string, PeerEntry>();
      await inSlices(device.peers, clock, (peer) => {
        if (peer.config.plugins.includes(store.name)) keys.set(storeKey(peer.publicKey, facts.publicKey), peer);
      });
      if (keys.size === 0 || closed) continue;
      const { name } = store;
      const one = createStoreWatch({
        ...components,
        store,
        ownKey: heartbeatKey(facts.publicKey),
        keys,
        on: {
          changed: (peer) => on.changed(peer, name),
          turned: (of) => on.turned(name, of),
          shared: () => on.shared(name),
        },
      });
      watching.set(name, one);
      one.tick(undefined);
    }
  };

  /** How long the youngest peer is looked for, by store. */
  const waiting = (): ReadonlyMap<string, number> => {
    const now = clock.now();
    const found = new Map<string, number>();
    for (const peer of device.peers) {
      if (!isUnsettled(peer)) continue;
      const forMs = now - peer.unconnectedSince;
      for (const name of peer.config.plugins)
        if (forMs < (found.get(name) ?? Number.POSITIVE_INFINITY)) found.set(name, forMs);
    }
    return found;
  };

  const rewatch = (): void => {
    const before = changing;
    changing = (async () => {
      await before;
      const names = [...watching.keys()];
      await closeAll();
      for (const name of names) on.turned(name, {});
      if (!closed) await openAll();
    })();
  };

  return {
    rewatch,
    tick() {
      if (watching.size === 0) return;
      const wanted = waiting();
      for (const [name, one] of watching) one.tick(wanted.get(name));
    },
    get dueAt() {
      return Math.min(...[...watching.values()].map((one) => one.dueAt));
    },
    isTold: (peer, store) => watching.get(store)?.isTold(peer) ?? false,
    found: (peer, store, since) => watching.get(store)?.found(peer, since),
    async [Symbol.asyncDispose]() {
      closed = true;
      await changing;
      await closeAll();
    },
  };
}
