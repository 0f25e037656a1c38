/** Writes our record for a peer where it is wrong or missing, and again before its store forgets it (F11, F12). */
import { formatEndpoint } from '../../net/index.js';
import { asStunmeshError } from '../../peers/faults.js';
import { isUnsettled, type PeerEntry, type Published } from '../../peers/peer-table.js';
import { formatRecord } from '../../record/endpoint-record.js';
import { nextTime } from '../../record/freshness.js';
import { valueLimit } from '../../record/reader-mark.js';
import { storeKey } from '../../record/store-key.js';
import { doubling } from '../../runtime/backoff.js';
import { beginInSlices, inSlices } from '../../runtime/slices.js';
import type { DeviceComponents, NamedStore } from '../device-components.js';
import type { OwnRecord } from './own-record.js';
import { createStatement } from './statement.js';

const FIRST_RETRY_MS = 1_000;
const MOST_RETRY_MS = 60_000;
/** An unchanged record is written anew at this beat even where stores keep it for ever (F12): somebody may have removed it. */
const REWRITE_MS = 3_600_000;

/** What checks have to do with our records, handed in from outside. */
export interface CheckExchange {
  /** Before a record for an unsettled peer is written: reads the peer's in this store, and opens our NAT towards it. Never rejects. */
  beforeWrite(peer: PeerEntry, store: string): Promise<void>;
  /** What a record for this peer acknowledges when it is written now; undefined: nothing. */
  acknowledgement(peer: PeerEntry): number | undefined;
  /** A store has taken our record; `renewed`: with another `t` than the one before. */
  written(peer: PeerEntry, record: { readonly t: number; readonly ack?: number }, renewed: boolean): void;
}

export interface Writing {
  /** A discovery begins, after which records may be written: stores are asked meanwhile what they hold of ours. */
  prepare(): void;
  /** Writes what is due in one store. */
  flushStore(name: string): Promise<void>;
  /** Our record for this peer is due again in all its stores, with the same `t` and what it acknowledges now. */
  rewrite(peer: PeerEntry): void;
  /** Likewise with a new `t`: what it tells holds still. */
  restate(peer: PeerEntry): void;
  /** When this peer's record in this store is due; monotonic milliseconds, infinite while there is nothing to say. */
  dueAt(peer: PeerEntry, store: string): number;
}

export interface WritingComponents
  extends Pick<
    DeviceComponents,
    'device' | 'clock' | 'underlay' | 'stores' | 'faults' | 'emit' | 'signal' | 'stateChanged'
  > {
  readonly ownRecord: OwnRecord;
  readonly exchange?: CheckExchange;
}

export function createWriting(components: WritingComponents): Writing {
  const { device, clock, stores, faults, emit, signal, stateChanged, ownRecord, exchange } = components;
  const statement = createStatement(components);

  const limitOf = (peer: PeerEntry, { traits }: NamedStore): number =>
    valueLimit(
      traits,
      [...peer.remote.values()].some(({ readsLong }) => readsLong),
    );

  /** The store holds all that it takes of what is to be told. */
  const isTold = (peer: PeerEntry, storeName: string, last: Published): boolean => {
    const { addresses, nat } = statement.told();
    const store = stores.get(storeName);
    const limit = store ? limitOf(peer, store) : last.limit;
    return (
      !peer.rewrites.has(storeName) &&
      last.addresses === addresses &&
      last.length <= limit &&
      (last.omitted.length === 0 || limit <= last.limit) &&
      // Who is connected learns of our NAT, and of a time that another store made us take, by the next record that is written anyway.
      (!isUnsettled(peer) || (isStill(nat, last.nat) && isStill(peer.statement?.t, last.t)))
    );
  };

  const dueAt: Writing['dueAt'] = (peer, storeName) => {
    if (!device.facts || !statement.hasAddresses || !peer.channel || !peer.observed || peer.publishing.has(storeName))
      return Number.POSITIVE_INFINITY;
    const retry = peer.publishRetry.get(storeName);
    if (retry?.untried) {
      // The store's own pause, as it stands now: it may have ended long before the one that was met.
      const health = stores.get(storeName)?.health;
      return health?.state === 'down' ? clock.now() + Math.max(0, (health.retryAt ?? 0) - clock.wallNow()) : 0;
    }
    if (retry) return retry.at;
    const last = peer.published.get(storeName);
    // One that a store loses again and again is written as often as the budget allows, too (F77).
    if (!last) return peer.budget.nextAt('publish', clock.now());
    // A mapping that is another one at every look is written as often as the budget allows (F77).
    if (!isTold(peer, storeName, last)) return peer.budget.nextAt('publish', clock.now());
    const expiresAfterMs = stores.get(storeName)?.traits.expiresAfterMs;
    return last.at + (expiresAfterMs === undefined ? REWRITE_MS : Math.min(expiresAfterMs / 3, REWRITE_MS));
  };

  /** Times for records that are written to this store now: `t` names what is told, so it is the same in all stores, and stays where a
   * record only acknowledges anew. The peers whose `t` is another one now. */
  const time = (due: readonly PeerEntry[], store: string): ReadonlySet<PeerEntry> => {
    const told = textOf(statement.told());
    const keeps = ({ statement: known, ownTime, rewrites, published }: PeerEntry): boolean =>
      known !== undefined &&
      known.told === told &&
      known.t === ownTime &&
      (rewrites.has(store) || published.get(store)?.t !== known.t);
    const renewed = new Set(due.filter((peer) => !keeps(peer)));
    for (const peer of due) if (!renewed.has(peer) && peer.rewrites.has(store)) peer.generationAhead += 1;
    if (renewed.size === 0) return renewed;
    const now = clock.wallNow() / 1000;
    const t = nextTime(now, device.lastT);
    device.lastT = t;
    for (const peer of renewed) {
      peer.ownTime = nextTime(now, t - 1, peer.ownTime);
      peer.statement = { told, t: peer.ownTime };
    }
    return renewed;
  };

  const write = async (peer: PeerEntry, store: NamedStore, t: number, renewed: boolean): Promise<void> => {
    const { facts } = device;
    // Something else is to be told since its time was fixed, some turns ago: it is due again, and gets another one.
    const told = statement.told();
    if (peer.statement && peer.statement.told !== textOf(told)) return;
    const ack = exchange?.acknowledgement(peer);
    const times = { t, ...(ack === undefined ? {} : { ack }) };
    const record = statement.record({ ...times, n: ownRecord.generation(peer) });
    if (!facts || !peer.channel || !record) return;
    const again = peer.rewrites.delete(store.name);
    peer.publishing.add(store.name);
    peer.budget.take('publish', clock.now());
    const { ipv4, ipv6 } = record;
    const limit = limitOf(peer, store);
    try {
      const { plain, omitted } = formatRecord(record, limit);
      const sealed = peer.channel.seal(plain);
      await store.set(storeKey(facts.publicKey, peer.publicKey), sealed, { signal });
      // A reload put another store under the name meanwhile: that one has not got it.
      if (stores.get(store.name) !== store) return;
      const { length } = sealed;
      peer.published.set(store.name, {
        ...(ipv4 ? { ipv4 } : {}),
        ...(ipv6 ? { ipv6 } : {}),
        t,
        ...told,
        omitted,
        length,
        limit,
        at: clock.now(),
        wallAt: clock.wallNow(),
      });
      peer.publishRetry.delete(store.name);
      faults.settleStore(peer, 'write', store.name);
      if (!omitted.includes('c')) exchange?.written(peer, times, renewed);
      emit('published', peer, {
        store: store.name,
        t,
        ...(ipv4 ? { ipv4: formatEndpoint(ipv4) } : {}),
        ...(ipv6 ? { ipv6: formatEndpoint(ipv6) } : {}),
      });
    } catch (error) {
      if (signal.aborted) return;
      if (again) peer.rewrites.add(store.name);
      const fault = asStunmeshError(error);
      // A write that was not even tried, as the store is down, is no reason to wait longer than the store does.
      const untried = fault.details['circuit'] === 'open';
      const failures = (peer.publishRetry.get(store.name)?.failures ?? 0) + (untried ? 0 : 1);
      const backoffMs = untried ? 0 : doubling(failures, FIRST_RETRY_MS, MOST_RETRY_MS);
      const waitMs = Math.max(fault.retryAfterMs ?? 0, backoffMs);
      peer.publishRetry.set(store.name, { at: clock.now() + waitMs, failures, untried });
      const what = `cannot publish to store "${store.name}"; trying again`;
      faults.noteStore(peer, 'write', store.name, fault, what, untried);
    } finally {
      peer.publishing.delete(store.name);
    }
  };

  return {
    prepare() {
      void inSlices(device.peers, clock, (peer) => {
        if (!peer.channel || !peer.observed) return;
        for (const name of peer.config.plugins) {
          const store = peer.published.has(name) ? undefined : stores.get(name);
          if (store) ownRecord.ask(peer, store);
        }
      });
    },
    dueAt,
    rewrite(peer) {
      for (const name of peer.config.plugins) peer.rewrites.add(name);
    },
    restate(peer) {
      peer.statement = undefined;
      for (const name of peer.config.plugins) peer.rewrites.add(name);
    },
    async flushStore(name) {
      // Looked up each time: a reload may have put another store under the name.
      const store = stores.get(name);
      if (!store || !device.facts || !statement.hasAddresses) return;
      const peers = device.peers.filter((peer) => peer.config.plugins.includes(name) && peer.channel && peer.observed);
      const unknown = peers.filter((peer) => !peer.published.has(name));
      await beginInSlices(unknown, clock, (peer) => ownRecord.find(peer, store));
      const due = peers.filter((peer) => dueAt(peer, name) <= clock.now());
      if (due.length === 0) return;
      await beginInSlices(due, clock, (peer) => (isUnsettled(peer) ? exchange?.beforeWrite(peer, name) : undefined));
      const renewed = time(due, name);
      stateChanged();
      await beginInSlices(due, clock, (peer) => write(peer, store, peer.ownTime ?? 0, renewed.has(peer)));
    },
  };
}

/** Nothing else is to be said now than was said. */
function isStill<T>(now: T | undefined, said: T | undefined): boolean {
  return now === undefined || now === said;
}

function textOf(told: object): string {
  return Object.values(told).join(' ');
}
