/** Finds the reflexive address of WireGuard's port, for as long as a socket beside WireGuard's is open (F1, F2, F7, F19). */
import type { StunMessageEvent, StunmeshError, StunSocket } from '../api/index.js';
import { TRANSACTION_PREFIX_BYTES } from '../net/index.js';
import { parseMessage } from './message.js';
import { type Discovery, type DiscoverySettings, raceServers } from './race.js';
import type { Transaction } from './transaction.js';

export type { Discovery } from './race.js';

const DEFAULT_TIMEOUT_MS = 5000;

export interface DiscoverOptions extends DiscoverySettings {
  openSocket(on: {
    /** What its transaction ids begin with. */
    readonly transactionPrefix: Uint8Array;
    onMessage(event: StunMessageEvent): void;
    onFault(error: StunmeshError): void;
  }): Promise<StunSocket>;
  /** For the whole discovery. Default: 5000. */
  readonly timeoutMs?: number;
}

/** One discovery. Errors: ERR_STUN_NO_SERVER, ERR_STUN_NO_RESPONSE, ERR_STUN_REFUSED, ERR_STUN_BLOCKED, ERR_STUN_NO_ROUTE (each with every
 * server's reason), those of openSocket, ERR_CAPTURE_LOST, or the signal's reason. The socket is closed when it settles. */
export async function discover(o: DiscoverOptions): Promise<Discovery> {
  o.signal.throwIfAborted();
  const transactions = new Set<Transaction>();
  const lost = new AbortController();
  const transactionPrefix = o.random(TRANSACTION_PREFIX_BYTES);
  const limit = o.clock.deadline(o.timeoutMs ?? DEFAULT_TIMEOUT_MS, o.signal);
  try {
    const socket = await openUnlessAborted(
      o.openSocket({
        transactionPrefix,
        onMessage(event) {
          const message = parseMessage(event.message);
          if (message) for (const transaction of transactions) if (transaction.accept(event, message)) return;
        },
        onFault: (error) => lost.abort(error),
      }),
      limit.signal,
    );
    try {
      return await raceServers({
        ...o,
        socket,
        transactionPrefix,
        transactions,
        lost: lost.signal,
        limit: limit.signal,
      });
    } finally {
      await socket[Symbol.asyncDispose]();
    }
  } finally {
    limit[Symbol.dispose]();
  }
}

/** The socket, or the signal's reason as soon as it aborts; a socket that comes too late is closed. */
function openUnlessAborted(opening: Promise<StunSocket>, signal: AbortSignal): Promise<StunSocket> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      reject(signal.reason);
      opening.then((socket) => socket[Symbol.asyncDispose]()).catch(() => {});
    };
    signal.addEventListener('abort', onAbort, { once: true });
    opening.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    if (signal.aborted) onAbort();
  });
}
