/** Our own record as a store holds it: it spares a write, and tells how far its time and generation had come (F21). The peer it is
 * for could have forged it, for the two keys seal both ways; so it touches what is written for that peer alone (F78). */
import { sameEndpoint } from '../../net/index.js';
import type { DeviceEntry, PeerEntry } from '../../peers/peer-table.js';
import { fingerprint, parseRecord } from '../../record/endpoint-record.js';
import { clampOwnTime } from '../../record/freshness.js';
import { storeKey } from '../../record/store-key.js';
import type { Controllers, NamedStore } from '../device-components.js';

/** A generation grows by one at a time; a larger one was never counted. */
const MOST_GENERATION = 2 ** 31;

/** The generation that a record for this peer tells: the device's own, or one that goes on from what the peer saw last. */
export function ownGeneration(device: DeviceEntry, peer: PeerEntry): number {
  return device.n + peer.generationAhead;
}

/** Looks once for our record for this peer in a store. Never rejects. */
export async function findOwnRecord(
  c: Controllers,
  device: DeviceEntry,
  peer: PeerEntry,
  store: NamedStore,
): Promise<void> {
  if (!device.facts || !peer.channel) return;
  try {
    const sealed = await store.get(storeKey(device.facts.publicKey, peer.publicKey), { signal: c.signal });
    if (sealed === undefined) return;
    const record = parseRecord(peer.channel.open(sealed));
    if (record.f !== fingerprint(device.facts.publicKey)) return;
    const { ipv4, ipv6, b } = record;
    const t = record.t === undefined ? undefined : clampOwnTime(record.t, c.clock.wallNow() / 1000);
    const known = peer.ownTime ?? device.lastT;
    if (known !== undefined && t !== undefined && t > known) {
      c.logger.warn(
        { device: device.name, peer: peer.name },
        'the store holds a newer record of ours that we did not write: does another host use the same WireGuard key?',
      );
    }
    if (t !== undefined) peer.ownTime = Math.max(peer.ownTime ?? 0, t);
    // A host that moved while it was down, and lost its state, says so by a larger count all the same.
    const moved = [...device.mappings].some(([family, { endpoint }]) => {
      const told = family === 4 ? ipv4 : ipv6;
      return told !== undefined && !sameEndpoint(told, endpoint);
    });
    if (record.n !== undefined && record.n < MOST_GENERATION)
      peer.generationAhead = Math.max(peer.generationAhead, record.n + (moved ? 1 : 0) - device.n);
    peer.published.set(store.name, {
      ...(ipv4 ? { ipv4 } : {}),
      ...(ipv6 ? { ipv6 } : {}),
      ...(t === undefined ? {} : { t }),
      ...(b === undefined ? {} : { b }),
      omitted: [],
      at: c.clock.now() - Math.max(0, c.clock.wallNow() - (t ?? 0) * 1000),
      wallAt: (t ?? 0) * 1000,
    });
  } catch {
    // A damaged or unreadable record of ours is simply written anew; a store that is down shows at the write.
  }
}
