/** Takes one peer's part of a reading into the table: signs of life, phase, and endpoints that others set. */
import { type Peer, StunmeshError } from '../../api/index.js';
import { formatEndpoint, sameEndpoint } from '../../net/index.js';
import { createFault } from '../../peers/faults.js';
import { createLife, observe, observeEcho } from '../../peers/health.js';
import type { PeerEntry } from '../../peers/peer-table.js';
import type { DeviceComponents } from '../device-components.js';

/** How long an endpoint that WireGuard found by itself is left alone, and one that another program wrote. */
const ROAMED_MS = 6_000;
const FOREIGN_MS = 60_000;

/** phase: it is another one, or the peer was found on the device; inbound: it tries to reach us and gets no answer. */
export interface PeerChange {
  readonly kind: 'phase' | 'inbound';
  readonly peer: PeerEntry;
}

export interface PeerObserver {
  /** undefined: it is not on the device. */
  observe(peer: PeerEntry, found: Peer | undefined): readonly PeerChange[];
  /** The peer answered an echo: life, at once. */
  onEchoReply(peer: PeerEntry): readonly PeerChange[];
  /** The device is gone. */
  forget(peer: PeerEntry): void;
}

export type PeerObserverComponents = Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'phases'>;

export function createPeerObserver({ device, clock, logger, phases }: PeerObserverComponents): PeerObserver {
  const forget: PeerObserver['forget'] = (peer) => {
    peer.observed = undefined;
    peer.life = createLife();
    phases.set(peer, 'waiting');
  };

  const absent = (peer: PeerEntry): void => {
    if (peer.observed || peer.fault?.code !== 'ERR_WG_PEER_NOT_FOUND') {
      const error = new StunmeshError(
        'ERR_WG_PEER_NOT_FOUND',
        `device ${device.name} has no peer with the public key of "${peer.name}"; add it to WireGuard, it is looked for again`,
      );
      peer.fault = createFault(error, clock.wallNow());
      logger.warn({ device: device.name, peer: peer.name, error }, 'peer left out for now');
    }
    forget(peer);
  };

  const noticeForeignEndpoint = (peer: PeerEntry, found: Peer): void => {
    const before = peer.observed;
    if (!before || !found.endpoint || sameEndpoint(before.endpoint, found.endpoint)) return;
    if (sameEndpoint(peer.lastWrite?.endpoint, found.endpoint)) return;
    const received = found.rxBytes > before.rxBytes;
    peer.handsOffUntil = clock.now() + (received ? ROAMED_MS : FOREIGN_MS);
    const fields = { device: device.name, peer: peer.name, endpoint: formatEndpoint(found.endpoint) };
    if (received) logger.debug(fields, 'WireGuard followed the peer to another endpoint');
    else logger.warn(fields, 'another program set the endpoint; leaving it alone for a minute');
  };

  return {
    forget,
    observe(peer, found) {
      if (!found) {
        absent(peer);
        return [];
      }
      if (peer.fault?.code === 'ERR_WG_PEER_NOT_FOUND') peer.fault = undefined;
      const appeared = peer.observed === undefined;
      const { life, alive, inbound } = observe(peer.life, found, clock.now(), clock.wallNow());
      noticeForeignEndpoint(peer, found);
      peer.observed = found;
      peer.life = life;
      // Made anew under us: nothing can be sent to it, so that no probe would ever fail.
      if (!found.endpoint && (peer.phase === 'connected' || peer.phase === 'idle')) phases.set(peer, 'waiting');
      const changes: PeerChange[] = phases.settle(peer, alive) ? [{ kind: 'phase', peer }] : [];
      if (appeared && peer.phase !== 'connected') changes.push({ kind: 'phase', peer });
      else if (inbound) changes.push({ kind: 'inbound', peer });
      return changes;
    },
    onEchoReply(peer) {
      if (!peer.observed) return [];
      peer.life = observeEcho(peer.life, clock.now());
      return phases.settle(peer, true) ? [{ kind: 'phase', peer }] : [];
    },
  };
}
