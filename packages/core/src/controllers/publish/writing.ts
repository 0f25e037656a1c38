/** Writes our record for a peer where it is wrong or missing, and again before its store forgets it (F11, F12). */
import { formatEndpoint, sameEndpoint } from '../../net/index.js';
import { localCandidate } from '../../paths/candidate.js';
import { asStunmeshError } from '../../peers/faults.js';
import { isUnsettled, type PeerEntry } from '../../peers/peer-table.js';
import { type EndpointRecord, fingerprint, formatRecord } from '../../record/endpoint-record.js';
import { nextTime } from '../../record/freshness.js';
import { storeKey } from '../../record/store-key.js';
import { doubling } from '../../runtime/backoff.js';
import type { DeviceComponents, NamedStore } from '../device-components.js';
import type { OwnRecord } from './own-record.js';

const FIRST_RETRY_MS = 1_000;
const MOST_RETRY_MS = 60_000;
/** An unchanged record is written anew at this beat even where stores keep it for ever (F12): somebody may have removed it. */
const REWRITE_MS = 3_600_000;

export interface Writing {
  /** Writes what is due in one store. */
  flushStore(name: string): Promise<void>;
  /** When this peer's record in this store is due; monotonic milliseconds, infinite while there is nothing to say. */
  dueAt(peer: PeerEntry, store: string): number;
}

export interface WritingComponents
  extends Pick<DeviceComponents, 'device' | 'clock' | 'stores' | 'faults' | 'emit' | 'signal' | 'stateChanged'> {
  readonly ownRecord: OwnRecord;
}

export function createWriting(components: WritingComponents): Writing {
  const { device, clock, stores, faults, emit, signal, stateChanged, ownRecord } = components;

  /** What is published of our addresses. */
  const endpoints = (): Pick<EndpointRecord, 'ipv4' | 'ipv6'> => {
    const [ipv4, ipv6] = ([4, 6] as const).map((family) => localCandidate(device.candidates, 'reflexive', family));
    return { ...(ipv4 ? { ipv4: ipv4.endpoint } : {}), ...(ipv6 ? { ipv6: ipv6.endpoint } : {}) };
  };

  const dueAt: Writing['dueAt'] = (peer, storeName) => {
    if (
      !device.facts ||
      device.candidates.length === 0 ||
      !peer.channel ||
      !peer.observed ||
      peer.publishing.has(storeName)
    )
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
    const { ipv4, ipv6 } = endpoints();
    const same =
      sameEndpoint(last.ipv4, ipv4) &&
      sameEndpoint(last.ipv6, ipv6) &&
      // Who is connected learns of our NAT by the next record that is written anyway.
      (!isUnsettled(peer) || [undefined, last.b].includes(ownRecord.natCode()));
    // A mapping that is another one at every look is written as often as the budget allows (F77).
    if (!same) return peer.budget.nextAt('publish', clock.now());
    const expiresAfterMs = stores.get(storeName)?.traits.expiresAfterMs;
    return last.at + (expiresAfterMs === undefined ? REWRITE_MS : Math.min(expiresAfterMs / 3, REWRITE_MS));
  };

  const write = async (peer: PeerEntry, store: NamedStore, t: number): Promise<void> => {
    const { facts } = device;
    if (!facts || !peer.channel) return;
    peer.publishing.add(store.name);
    peer.budget.take('publish', clock.now());
    const { ipv4, ipv6 } = endpoints();
    const b = ownRecord.natCode();
    const told = { ...(ipv4 ? { ipv4 } : {}), ...(ipv6 ? { ipv6 } : {}), t, ...(b === undefined ? {} : { b }) };
    const record = { ...told, n: ownRecord.generation(peer), f: fingerprint(facts.publicKey) };
    try {
      const { plain, omitted } = formatRecord(record, store.traits.maxValueBytes);
      await store.set(storeKey(facts.publicKey, peer.publicKey), peer.channel.seal(plain), { signal });
      // A reload put another store under the name meanwhile: that one has not got it.
      if (stores.get(store.name) !== store) return;
      peer.published.set(store.name, { ...told, omitted, at: clock.now(), wallAt: clock.wallNow() });
      peer.publishRetry.delete(store.name);
      faults.settleStore(peer, 'write', store.name);
      emit('published', peer, {
        store: store.name,
        t,
        ...(ipv4 ? { ipv4: formatEndpoint(ipv4) } : {}),
        ...(ipv6 ? { ipv6: formatEndpoint(ipv6) } : {}),
      });
    } catch (error) {
      if (signal.aborted) return;
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
    dueAt,
    async flushStore(name) {
      // Looked up each time: a reload may have put another store under the name.
      const store = stores.get(name);
      if (!store || !device.facts || device.candidates.length === 0) return;
      const peers = device.peers.filter((peer) => peer.config.plugins.includes(name) && peer.channel && peer.observed);
      const unknown = peers.filter((peer) => !peer.published.has(name));
      await Promise.all(unknown.map((peer) => ownRecord.find(peer, store)));
      const due = peers.filter((peer) => dueAt(peer, name) <= clock.now());
      if (due.length === 0) return;
      const now = clock.wallNow() / 1000;
      const t = nextTime(now, device.lastT);
      device.lastT = t;
      for (const peer of due) peer.ownTime = nextTime(now, t - 1, peer.ownTime);
      stateChanged();
      await Promise.all(due.map((peer) => write(peer, store, peer.ownTime ?? t)));
    },
  };
}
