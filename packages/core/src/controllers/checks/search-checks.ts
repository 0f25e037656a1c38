/** What a search for hard NATs uses of the checks: keys, sockets, and the record of a peer (F60). */
import type { Times } from '../../paths/acknowledgements.js';
import type { SearchChecks } from '../search/device-search.js';
import type { CheckSockets } from './check-sockets.js';
import type { CheckedPeer, CheckedPeers } from './checked-peers.js';

export interface SearchChecksParts {
  readonly peers: CheckedPeers;
  readonly sockets: CheckSockets;
  times(): Times & { readonly seconds: number };
  /** Does what is due for the peer. */
  step(one: CheckedPeer): Promise<void>;
  /** Dies behind our outermost NAT. */
  lowTtl(): number;
  /** One more packet of a search. */
  count(): void;
}

export function createSearchChecks({ peers, sockets, times, step, lowTtl, count }: SearchChecksParts): SearchChecks {
  return {
    known(peer) {
      const one = peers.get(peer);
      return one?.record && one.ownTime !== undefined ? { record: one.record, ownTime: one.ownTime } : undefined;
    },
    createId: (peer) => sockets.createId(4, peer),
    hear: sockets.hear,
    send(peer, { to, transactionId, sourcePort, low }) {
      const one = peers.get(peer);
      if (!one) return;
      const at = times();
      count();
      const what = { transactionId, type: 'learnt', nominated: false, betterPath: false } as const;
      const message = one.codec.request(what, { ...at, seconds: at.wall / 1_000 });
      void sockets.send(message, to, {
        ...(low ? { ttl: lowTtl() } : {}),
        ...(sourcePort === undefined ? {} : { sourcePort }),
      });
    },
    opened(peer, from, request) {
      const one = peers.get(peer);
      if (!one) return;
      const { now } = times();
      if (request) one.checks.onRequest(now, from, request);
      else one.checks.restart(now, false);
      void step(one);
    },
  };
}
