/** Our own record as a store holds it: it spares a write, and tells how far its time and generation had come (F21). The peer it is
 * for could have forged it, for the two keys seal both ways; so it touches what is written for that peer alone (F78). */
import type { Family } from '../../api/index.js';
import type { NatSummary } from '../../nat/behaviour-types.js';
import { formatNatCode } from '../../nat/code.js';
import { sameEndpoint } from '../../net/index.js';
import { localCandidate } from '../../paths/candidate.js';
import type { PeerEntry } from '../../peers/peer-table.js';
import { fingerprint, parseRecord } from '../../record/endpoint-record.js';
import { clampOwnTime } from '../../record/freshness.js';
import { storeKey } from '../../record/store-key.js';
import type { DeviceComponents, NamedStore } from '../device-components.js';

/** A generation grows by one at a time; a larger one was never counted. */
const MOST_GENERATION = 2 ** 31;

export interface OwnRecord {
  /** Looks for our record for this peer in a store. Never rejects. */
  find(peer: PeerEntry, store: NamedStore): Promise<void>;
  /** The generation that a record for this peer tells: the device's own, or one that goes on from what the peer saw last. */
  generation(peer: PeerEntry): number;
  /** What a record of ours tells now of our NATs; undefined: nothing is known of those before our present addresses. */
  natCode(): string | undefined;
}

export type OwnRecordComponents = Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'signal'>;

export function createOwnRecord({ device, clock, logger, signal }: OwnRecordComponents): OwnRecord {
  const reflexive = (family: Family) => localCandidate(device.candidates, 'reflexive', family)?.endpoint;

  return {
    generation: (peer) => device.generation + peer.generationAhead,
    natCode() {
      const summaries = new Map<Family, NatSummary>();
      for (const [family, { address, summary }] of device.nat)
        if (reflexive(family)?.address === address) summaries.set(family, summary);
      return formatNatCode(summaries) || undefined;
    },
    async find(peer, store) {
      const { facts } = device;
      if (!facts || !peer.channel) return;
      try {
        const sealed = await store.get(storeKey(facts.publicKey, peer.publicKey), { signal });
        if (sealed === undefined) return;
        const record = parseRecord(peer.channel.open(sealed));
        if (record.f !== fingerprint(facts.publicKey)) return;
        const { ipv4, ipv6, b } = record;
        const t = record.t === undefined ? undefined : clampOwnTime(record.t, clock.wallNow() / 1000);
        const known = peer.ownTime ?? device.lastT;
        if (known !== undefined && t !== undefined && t > known) {
          logger.warn(
            { device: device.name, peer: peer.name },
            'the store holds a newer record of ours that we did not write: does another host use the same WireGuard key?',
          );
        }
        if (t !== undefined) peer.ownTime = Math.max(peer.ownTime ?? 0, t);
        // A host that moved while it was down, and lost its state, says so by a larger count all the same.
        const moved = ([4, 6] as const).some((family) => {
          const told = family === 4 ? ipv4 : ipv6;
          const now = reflexive(family);
          return told !== undefined && now !== undefined && !sameEndpoint(told, now);
        });
        if (record.n !== undefined && record.n < MOST_GENERATION)
          peer.generationAhead = Math.max(peer.generationAhead, record.n + (moved ? 1 : 0) - device.generation);
        peer.published.set(store.name, {
          ...(ipv4 ? { ipv4 } : {}),
          ...(ipv6 ? { ipv6 } : {}),
          ...(t === undefined ? {} : { t }),
          ...(b === undefined ? {} : { b }),
          omitted: [],
          at: clock.now() - Math.max(0, clock.wallNow() - (t ?? 0) * 1000),
          wallAt: (t ?? 0) * 1000,
        });
      } catch {
        // A damaged or unreadable record of ours is simply written anew; a store that is down shows at the write.
      }
    },
  };
}
