/** Keeps WireGuard's own packets from a peer's router until a path to it is valid: its endpoint is parked on this host, and what was there
 * before is put back at the end (F43). */
import type { Endpoint } from '../../api/index.js';
import { formatEndpoint, sameEndpoint } from '../../net/index.js';
import { PARKED } from '../../paths/session.js';
import type { PeerEntry } from '../../peers/peer-table.js';
import type { DeviceComponents } from '../device-components.js';

const WRITE_MS = 5_000;
/** At the end nobody waits for long. */
const RESTORE_MS = 2_000;

export interface Parking {
  /** Parks the peer's endpoint, where it has one. Never rejects. */
  park(peer: PeerEntry): Promise<void>;
  /** Puts the former endpoint back, where it is still parked. Never rejects. */
  release(peer: PeerEntry): Promise<void>;
  /** The device was read. What an earlier process parked and could not put back is put back (kill -9). */
  onObserved(peer: PeerEntry): void;
  /** Puts all of them back; the signal may have aborted. Never rejects. */
  restore(): Promise<void>;
}

export type ParkingComponents = Pick<
  DeviceComponents,
  'device' | 'clock' | 'logger' | 'control' | 'writer' | 'emit' | 'signal' | 'saveState' | 'stateChanged'
>;

export function createParking(components: ParkingComponents): Parking {
  const { device, clock, logger, control, writer, emit, signal, saveState, stateChanged } = components;
  /** Peers that this process parked, or is parking. */
  const ours = new Set<PeerEntry>();
  const busy = new Set<PeerEntry>();

  const write = async (peer: PeerEntry, endpoint: Endpoint): Promise<boolean> => {
    using deadline = clock.deadline(WRITE_MS, signal);
    try {
      await writer.set(device.name, peer.publicKey, endpoint, deadline.signal);
      if (peer.observed) peer.observed = { ...peer.observed, endpoint };
      return true;
    } catch (error) {
      if (!signal.aborted) logger.debug({ device: device.name, peer: peer.name, error }, 'endpoint not parked');
      return false;
    }
  };

  const once = async (peer: PeerEntry, work: () => Promise<void>): Promise<void> => {
    if (busy.has(peer)) return;
    busy.add(peer);
    try {
      await work();
    } finally {
      busy.delete(peer);
    }
  };

  const release: Parking['release'] = (peer) =>
    once(peer, async () => {
      const { parkedFrom } = peer;
      if (!parkedFrom) return;
      if (sameEndpoint(peer.observed?.endpoint, PARKED) && !(await write(peer, parkedFrom))) return;
      ours.delete(peer);
      peer.parkedFrom = undefined;
      stateChanged();
    });

  return {
    release,
    park: (peer) =>
      once(peer, async () => {
        const from = peer.observed?.endpoint;
        if (!from || sameEndpoint(from, PARKED) || clock.now() < peer.handsOffUntil) return;
        ours.add(peer);
        peer.parkedFrom = from;
        // First on disk: who is killed after the write finds it at the next start.
        await saveState().catch(() => undefined);
        if (signal.aborted || !sameEndpoint(peer.observed?.endpoint, from)) return;
        if (!(await write(peer, PARKED))) return;
        logger.debug({ device: device.name, peer: peer.name, endpoint: formatEndpoint(from) }, 'endpoint parked');
        emit('parked', peer, { endpoint: formatEndpoint(from) });
      }),
    onObserved(peer) {
      if (!peer.parkedFrom || busy.has(peer)) return;
      const parked = sameEndpoint(peer.observed?.endpoint, PARKED);
      // WireGuard followed the peer, or a path was set: there is nothing to put back any more.
      if (!parked || !ours.has(peer)) void release(peer);
    },
    async restore() {
      const parked = device.peers.filter(({ parkedFrom }) => parkedFrom !== undefined);
      if (parked.length === 0) return;
      using deadline = clock.deadline(RESTORE_MS);
      try {
        const { peers } = await control.device(device.name, deadline);
        const still = parked.filter(({ publicKey }) => sameEndpoint(peers.get(publicKey)?.endpoint, PARKED));
        const endpoints = still.flatMap(({ publicKey, parkedFrom }) =>
          parkedFrom ? [[publicKey, parkedFrom] as const] : [],
        );
        if (endpoints.length > 0) await control.setPeerEndpoints(device.name, new Map(endpoints), deadline);
        for (const peer of parked) peer.parkedFrom = undefined;
        stateChanged();
      } catch (error) {
        logger.warn({ device: device.name, error }, 'parked endpoints are not put back; the next start does it');
      }
    },
  };
}
