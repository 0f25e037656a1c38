/** Diversions of one device: WireGuard's packets to a peer leave from the port that a search found open, by rules that outlive this process (F49). */
import type { Diversion, Endpoint } from '../../api/index.js';
import { formatEndpoint, sameEndpoint } from '../../net/index.js';
import type { PeerEntry } from '../../peers/peer-table.js';
import type { DeviceComponents } from '../device-components.js';

/** A peer that is connected by another path for so long needs its diversion no more. */
const UNUSED_MS = 600_000;

export interface Diversions {
  /** In force when it resolves; false: it could not be put there, which is said. */
  divert(peer: PeerEntry, sourcePort: number, remote: Endpoint): Promise<boolean>;
  /** The device was read: those of the process before are taken over, a changed port is followed, what nobody needs is taken out. */
  tick(): Promise<void>;
}

export type DiversionsComponents = Pick<
  DeviceComponents,
  'device' | 'clock' | 'logger' | 'underlay' | 'emit' | 'stateChanged'
>;

interface InForce {
  diversion: Diversion;
  /** Since when the peer is connected otherwise; monotonic milliseconds. */
  unusedSince: number | undefined;
}

export function createDiversions(components: DiversionsComponents): Diversions {
  const { device, clock, logger, underlay, emit, stateChanged } = components;
  const inForce = new Map<PeerEntry, InForce>();
  let adopted = false;
  let busy: Promise<void> | undefined;

  const warn = (peer: string | undefined, error: unknown, what: string): void =>
    logger.warn({ device: device.name, ...(peer === undefined ? {} : { peer }), error }, what);

  const put = async (peer: PeerEntry, sourcePort: number, remote: Endpoint): Promise<void> => {
    const localPort = device.facts?.listenPort ?? 0;
    const diversion = await underlay.divert({ localPort, sourcePort, remote });
    diversion.keep();
    const before = inForce.get(peer)?.diversion;
    // One of the same remote was replaced in the same step.
    if (before && !sameEndpoint(before.remote, remote)) await before.remove();
    inForce.set(peer, { diversion, unusedSince: undefined });
    peer.diversion = { port: sourcePort, remote };
    stateChanged();
  };

  const drop = async (peer: PeerEntry, why: string): Promise<void> => {
    const found = inForce.get(peer);
    if (!found) return;
    inForce.delete(peer);
    await found.diversion.remove();
    peer.diversion = undefined;
    stateChanged();
    logger.info({ device: device.name, peer: peer.name }, `the diversion to another source port is taken out: ${why}`);
  };

  const adopt = async (): Promise<void> => {
    const found = await underlay.diversions();
    for (const diversion of found) {
      const peer = device.peers.find(
        ({ diversion: known }) => known?.port === diversion.sourcePort && sameEndpoint(known.remote, diversion.remote),
      );
      if (peer) {
        diversion.keep();
        inForce.set(peer, { diversion, unusedSince: undefined });
      } else await diversion.remove();
    }
    for (const peer of device.peers) if (!inForce.has(peer)) peer.diversion = undefined;
  };

  const lookAfter = async (): Promise<void> => {
    const { facts } = device;
    if (!facts || facts.listenPort === 0) return;
    if (!adopted) {
      adopted = true;
      await adopt().catch((error) => warn(undefined, error, 'diversions of an earlier process cannot be read'));
    }
    for (const [peer, one] of inForce) {
      const { diversion } = one;
      try {
        if (!device.peers.includes(peer)) await drop(peer, 'the peer is not configured any more');
        else if (diversion.localPort !== facts.listenPort) await put(peer, diversion.sourcePort, diversion.remote);
        else if (peer.phase !== 'connected' || sameEndpoint(peer.observed?.endpoint, diversion.remote))
          one.unusedSince = undefined;
        else {
          one.unusedSince ??= clock.now();
          if (clock.now() - one.unusedSince >= UNUSED_MS) await drop(peer, 'the peer is connected by another path');
        }
      } catch (error) {
        warn(peer.name, error, 'the diversion to another source port cannot be changed');
      }
    }
  };

  return {
    async divert(peer, sourcePort, remote) {
      try {
        await put(peer, sourcePort, remote);
      } catch (error) {
        warn(peer.name, error, 'a hard NAT is open, but packets cannot be diverted to its port');
        return false;
      }
      const fields = { sourcePort, endpoint: formatEndpoint(remote) };
      logger.info({ device: device.name, peer: peer.name, ...fields }, 'hard NAT open: packets leave by another port');
      emit('diverted', peer, fields);
      return true;
    },
    tick() {
      busy ??= lookAfter().finally(() => {
        busy = undefined;
      });
      return busy;
    },
  };
}
