/** Acts on peers' records: connects the peers that need it, and leaves those alone that are well (F16). */
import { namesEndpoint } from '../../paths/remote-candidates.js';
import { MOST_RENEWALS } from '../../peers/attempt-series.js';
import { onRecordChange } from '../../peers/health.js';
import { isUnsettled, type PeerEntry } from '../../peers/peer-table.js';
import type { ParsedRecord } from '../../record/endpoint-record.js';
import { freshness } from '../../record/freshness.js';
import { beginInSlices, inSlices } from '../../runtime/slices.js';
import type { Checks } from '../checks/checks.js';
import type { DeviceComponents } from '../device-components.js';
import type { Choosing } from './choosing.js';
import type { HandshakeTrigger } from './handshake-trigger.js';
import type { Punch } from './punch.js';

export interface Establish {
  /** A peer's record is another one than before. */
  onRecord(peer: PeerEntry, record: ParsedRecord): void;
  /** Our mapping changed: opens our new NAT mapping towards every peer, before it is published (F18c). */
  punchAll(): Promise<void>;
}

export interface EstablishComponents extends Pick<DeviceComponents, 'device' | 'clock'> {
  readonly choosing: Pick<Choosing, 'candidates' | 'restartAttempts'>;
  readonly punch: Punch;
  readonly handshake: HandshakeTrigger;
  readonly checks: Pick<Checks, 'choiceFor' | 'restart'>;
  /** Is the present path of this connected peer dead? */
  probe(peer: PeerEntry): void;
}

export function createEstablish(components: EstablishComponents): Establish {
  const { device, clock, choosing, punch, handshake, checks, probe } = components;
  /** Of the others, checks open our NAT. */
  const isPunched = (peer: PeerEntry): boolean => checks.choiceFor(peer) === 'today';
  return {
    onRecord(peer, record) {
      // What a store shows a second time, or what is older than the record that proved itself, says nothing (F21, F77): it is a
      // candidate, which has its turn.
      const fresh = freshness(record.t, peer.provenTime, clock.wallNow() / 1000) === 'new';
      if (peer.seen.seenBefore(record, clock.now()) || !fresh) return;
      const { endpoint } = peer.observed ?? {};
      const inUse = namesEndpoint(record, endpoint);
      const verdict = onRecordChange({ phase: peer.phase, inUse });
      if (verdict === 'connect' && isUnsettled(peer)) choosing.restartAttempts(peer, MOST_RENEWALS);
      if (verdict !== 'probe') return;
      // Where the peer is at the new address already, its next packet comes through, and WireGuard follows it by itself.
      if (isPunched(peer)) void punch.punchPeer(peer, choosing.candidates(peer));
      probe(peer);
    },
    async punchAll() {
      const present = device.peers.filter((peer) => peer.observed);
      const opened = checks.restart(present, true);
      await punch.punchAll(
        present.filter(isPunched).map((peer) => {
          const endpoint = peer.observed?.endpoint;
          return [peer, isUnsettled(peer) ? choosing.candidates(peer) : endpoint ? [endpoint] : []] as const;
        }),
      );
      await opened;
      const connected = present.filter((peer) => peer.phase === 'connected');
      await inSlices(present.filter(isUnsettled), clock, (peer) => choosing.restartAttempts(peer));
      // An idle tunnel costs nothing until somebody uses it (F42b).
      await beginInSlices(connected, clock, (peer) => handshake.trigger(peer));
      await inSlices(connected, clock, probe);
    },
  };
}
