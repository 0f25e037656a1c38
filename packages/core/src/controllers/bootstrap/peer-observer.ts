/** Takes one peer's part of a reading into the table: signs of life, phase, and endpoints that others set. */
import { type Peer, StunmeshError } from '../../api/index.js';
import { formatEndpoint, sameEndpoint } from '../../net/index.js';
import { PARKED } from '../../paths/session.js';
import { forgetEchoes, watchArrivals } from '../../peers/echo-count.js';
import { createFault } from '../../peers/faults.js';
import { createLife, forgetSession, hasSession, observe, observeEcho } from '../../peers/health.js';
import type { PeerEntry } from '../../peers/peer-table.js';
import type { DeviceComponents } from '../device-components.js';

/** How long an endpoint that WireGuard found by itself is left alone, and one that another program wrote. */
const ROAMED_MS = 6_000;
const FOREIGN_MS = 60_000;
/** A session that was there before us is not touched until it had the time to show that it lives (F16, F72): a peer that ever answered
 * an echo answers the next one, any WireGuard answers a data packet within ten seconds. */
const ECHO_VERDICT_MS = 1_500;
const KEEPALIVE_VERDICT_MS = 11_000;
/** So many echoes without an answer, and yet a new handshake: it answers echoes no more. */
const ECHOES_GIVEN_UP = 3;

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
  /** The device has another key: the session is worth nothing. */
  rekeyed(peer: PeerEntry): void;
}

export type PeerObserverComponents = Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'phases'>;

export function createPeerObserver({ device, clock, logger, phases }: PeerObserverComponents): PeerObserver {
  const forget: PeerObserver['forget'] = (peer) => {
    peer.observed = undefined;
    peer.life = createLife();
    // What WireGuard followed, or somebody wrote, went with it.
    peer.handsOffUntil = 0;
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
    // Parked, and put back, by us (F43).
    if (sameEndpoint(found.endpoint, PARKED) || sameEndpoint(peer.parkedFrom, found.endpoint)) return;
    const received = found.rxBytes > before.rxBytes;
    peer.handsOffUntil = clock.now() + (received ? ROAMED_MS : FOREIGN_MS);
    const fields = { device: device.name, peer: peer.name, endpoint: formatEndpoint(found.endpoint) };
    if (received) logger.debug(fields, 'WireGuard followed the peer to another endpoint');
    else logger.warn(fields, 'another program set the endpoint; leaving it alone for a minute');
  };

  return {
    forget,
    rekeyed(peer) {
      peer.life = forgetSession(peer.life);
      forgetEchoes(peer);
      if (peer.phase === 'connected' || peer.phase === 'idle') phases.set(peer, 'connecting');
    },
    observe(peer, found) {
      if (!found) {
        absent(peer);
        return [];
      }
      if (peer.fault?.code === 'ERR_WG_PEER_NOT_FOUND') peer.fault = undefined;
      const appeared = peer.observed === undefined;
      const now = clock.now();
      const bytesAreLife = !peer.answersEcho || peer.unansweredEchoes === 0;
      const first = !peer.life.seen;
      const { life, alive, inbound } = observe(peer.life, found, now, clock.wallNow(), { bytesAreLife });
      if (alive && peer.unansweredEchoes >= ECHOES_GIVEN_UP && life.handshakeAt !== peer.life.handshakeAt) {
        // A handshake needs both ways, so the echoes alone are lost: a firewall of the peer's.
        peer.answersEcho = false;
        forgetEchoes(peer);
      }
      if (first && found.endpoint && hasSession(life, now))
        peer.handsOffUntil = now + (peer.answersEcho ? ECHO_VERDICT_MS : KEEPALIVE_VERDICT_MS);
      noticeForeignEndpoint(peer, found);
      peer.observed = found;
      peer.life = life;
      watchArrivals(peer, found.rxBytes, now);
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
      forgetEchoes(peer);
      return phases.settle(peer, true) ? [{ kind: 'phase', peer }] : [];
    },
  };
}
