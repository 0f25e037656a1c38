/** The one place that writes a peer's phase, by the pure rules of health, and what a connection proves. */
import type { Clock, Logger, PublicKey } from '../api/index.js';
import { formatEndpoint } from '../net/index.js';
import { lost, proved } from '../paths/check-list.js';
import { namesEndpoint } from '../paths/remote-candidates.js';
import { oneWayFault } from './faults.js';
import { nextPhase, type Phase } from './health.js';
import type { EventSink, PeerEntry } from './peer-table.js';

export interface Phases {
  set(peer: PeerEntry, phase: Phase): void;
  /** Draws the phase from what was last seen of the peer; `alive`: with a sign of life just now. True: it is another one. */
  settle(peer: PeerEntry, alive: boolean): boolean;
}

export interface PhasesComponents {
  readonly device: { readonly name: string; readonly facts: { readonly publicKey: PublicKey } | undefined };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly emit: EventSink;
}

/** Of one device's peers. */
export function createPhases({ device, clock, logger, emit }: PhasesComponents): Phases {
  const set: Phases['set'] = (peer, phase) => {
    const before = peer.phase;
    if (before === phase) return;
    const now = clock.now();
    const tookMs = Math.round(now - peer.unconnectedSince);
    peer.phase = phase;
    peer.phaseSince = now;
    if (phase !== 'connected' && before === 'connected') peer.unconnectedSince = now;
    if (phase !== 'connected' && phase !== 'idle') peer.rttMs = undefined;
    if (phase === 'suspect') peer.paths = lost(peer.paths);
    const endpoint = peer.observed?.endpoint ? formatEndpoint(peer.observed.endpoint) : undefined;
    const fields = { device: device.name, peer: peer.name, ...(endpoint === undefined ? {} : { endpoint }) };
    if (phase === 'connected') logger.info({ ...fields, tookMs }, 'connected');
    else if (phase === 'suspect') {
      const oneWay = oneWayFault(peer, clock.wallNow());
      const why = oneWay ? `${peer.unansweredEchoes} pings unanswered though packets arrive` : 'probes go unanswered';
      logger.warn(fields, `the tunnel is dead${oneWay ? ' one way' : ''}: ${why}; connecting again`);
    } else logger.debug({ ...fields, before }, `phase ${phase}`);
    emit('phase', peer, {
      from: before,
      to: phase,
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(phase === 'connected' ? { tookMs } : {}),
    });
  };
  return {
    set,
    settle(peer, alive) {
      const { observed } = peer;
      if (!observed) return false;
      const before = peer.phase;
      const phase = nextPhase({
        before,
        life: peer.life,
        keepaliveSeconds: observed.keepaliveSeconds,
        reachable: observed.endpoint !== undefined || peer.remote.size > 0,
        // Life before the endpoint was written, or before the probe that failed, proves nothing.
        since: Math.max(peer.lastWrite?.at ?? 0, peer.unconnectedSince),
        now: clock.now(),
      });
      if (phase === 'connected' && alive) {
        prove(peer, clock.now());
        peer.connectedBy = device.facts?.publicKey ?? peer.connectedBy;
        peer.ownKeyFault = undefined;
      }
      set(peer, phase);
      return phase !== before;
    },
  };
}

/** The record in use proved itself by a handshake: nothing older replaces it (F21). */
function prove(peer: PeerEntry, now: number): void {
  const endpoint = peer.observed?.endpoint;
  if (endpoint) peer.paths = proved(peer.paths, endpoint, now, peer.rttMs);
  peer.proven = endpoint;
  for (const { record } of peer.remote.values()) {
    const used = namesEndpoint(record, endpoint);
    if (used && record.t !== undefined && record.t > (peer.provenTime ?? -1)) peer.provenTime = record.t;
  }
  if (peer.fault?.code !== 'ERR_KEY_WEAK') peer.fault = undefined;
}
