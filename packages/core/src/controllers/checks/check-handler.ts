/** What comes by the sockets of checks: requests are answered, and both kinds set the peer's state machine in motion (F44, F46). */
import type { Clock, Endpoint, StunMessageEvent } from '../../api/index.js';
import { localCandidate } from '../../paths/candidate.js';
import type { Now } from '../../paths/check-receiver.js';
import type { DeviceEntry } from '../../peers/peer-table.js';
import type { MessageHandler } from '../../stun/agent.js';
import type { DeviceSearch } from '../search/device-search.js';
import type { CheckSockets } from './check-sockets.js';
import type { CheckedPeer, CheckedPeers } from './checked-peers.js';

export interface CheckHandlerParts {
  readonly device: Pick<DeviceEntry, 'facts' | 'checkCounts' | 'candidates' | 'portSeen'>;
  readonly clock: Clock;
  readonly search: Pick<DeviceSearch, 'onRequest' | 'onAnswer'>;
  times(): Now;
  /** Brings the tags to the present slot, or begins to. */
  renewTags(): void;
  step(one: CheckedPeer): void;
  peers(): CheckedPeers;
  sockets(): CheckSockets;
}

export function createCheckHandler(parts: CheckHandlerParts): Required<MessageHandler> {
  const { device, clock, search, times, step } = parts;
  /** Where the peer sees us come from, where it is another port than STUN sees. */
  const notePort = (seen: Endpoint): void => {
    const reflexive = localCandidate(device.candidates, 'reflexive', seen.family)?.endpoint;
    if (reflexive && seen.address === reflexive.address && seen.port !== reflexive.port)
      device.portSeen.set(seen.family, { reflexive, seen, at: clock.now() });
  };

  return {
    onRequest(_, { message, from, to }: StunMessageEvent) {
      const [peers, sockets, at] = [parts.peers(), parts.sockets(), times()];
      parts.renewTags();
      const heard = peers.receiver.receive(message, from, at, (peer) => peer.phase === 'connected');
      device.checkCounts.received += 1;
      const one = typeof heard === 'string' ? undefined : peers.get(heard.peer);
      if (typeof heard === 'string' || !one) {
        device.checkCounts.refused += 1;
        return;
      }
      // On a port that a search opened: answered from there, and no path of WireGuard's yet.
      const elsewhere = to.port !== device.facts?.listenPort;
      if (heard.answer) {
        device.checkCounts.answered += 1;
        void sockets.send(heard.answer, from, elsewhere ? { sourcePort: to.port } : {});
      }
      if (elsewhere) {
        search.onRequest(one.peer, from, to.port, heard.request);
        return;
      }
      one.checks.onRequest(at.now, from, heard.request);
      step(one);
    },
    onResponse(_, { message, from }: StunMessageEvent) {
      const peer = parts.sockets().peerOf(message);
      const one = peer && parts.peers().get(peer);
      const answer = one?.codec.answer(message);
      if (!one || !answer) return;
      if (one.checks.onAnswer(clock.now(), answer.transactionId, from)) {
        device.checkCounts.valid += 1;
        notePort(answer.mapped);
        step(one);
      } else search.onAnswer(one.peer, answer.transactionId, from);
    },
  };
}
