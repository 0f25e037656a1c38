/** Questions to nodes of the DHT and their answers, matched by transaction and address; sent within a budget (F66). */
import { randomBytes } from 'node:crypto';
import { type Clock, type Endpoint, type Family, StunmeshError } from '@stunmesh/core/api';
import type { DatagramPort, OpenDatagrams } from './datagrams.js';
import { type Answer, encodeQuery, parseMessage, type Query, type Refusal } from './message.js';

/** Ten a second on average; a lookup and a put may go out at once. */
const PER_SECOND = 10;
const BURST = 80;
/** A node that has not answered by then does not. */
const TIMEOUT_MS = 2_000;
/** Sockets are closed after a pause, so that an idle store holds none. */
const LINGER_MS = 5_000;

export interface Rpc extends AsyncDisposable {
  /** The answer, a refusal, or undefined when none came. Errors: ERR_STORE_UNAVAILABLE (nothing can be sent), the signal's reason. */
  ask(to: Endpoint, query: Query, signal: AbortSignal): Promise<Answer | Refusal | undefined>;
  /** Our own node id, 40 hex digits; some nodes tell us of ourselves. */
  readonly id: string;
}

interface Pending {
  readonly to: Endpoint;
  settle(answer: Answer | Refusal | undefined): void;
}

export function createRpc(options: { readonly clock: Clock; readonly openDatagrams: OpenDatagrams }): Rpc {
  const { clock } = options;
  const id = Uint8Array.from(randomBytes(20));
  const pending = new Map<string, Pending>();
  const sockets = new Map<Family, Promise<DatagramPort>>();
  const ended = new AbortController();
  let tokens = BURST;
  let filledAt = clock.now();
  let lastUse = 0;
  let lingering = false;

  /** Resolves when the budget allows one more packet. */
  const takeToken = async (signal: AbortSignal): Promise<void> => {
    for (;;) {
      const now = clock.now();
      tokens = Math.min(BURST, tokens + ((now - filledAt) * PER_SECOND) / 1_000);
      filledAt = now;
      if (tokens >= 1) break;
      await clock.sleep(Math.ceil(((1 - tokens) * 1_000) / PER_SECOND), signal);
    }
    tokens -= 1;
  };

  const onMessage = (family: Family, bytes: Uint8Array, from: Endpoint): void => {
    const message = parseMessage(bytes, family);
    const waiting = message && pending.get(message.transaction);
    if (!message || !waiting || waiting.to.address !== from.address || waiting.to.port !== from.port) return;
    waiting.settle(message);
  };

  const close = async (family: Family): Promise<void> => {
    const open = sockets.get(family);
    sockets.delete(family);
    const socket = await open?.catch(() => undefined);
    await socket?.[Symbol.asyncDispose]();
  };

  const socketFor = (family: Family): Promise<DatagramPort> => {
    const known = sockets.get(family);
    if (known) return known;
    const opened = options.openDatagrams({
      family,
      onMessage: (bytes, from) => onMessage(family, bytes, from),
      onFault: (_error: StunmeshError) => void close(family),
    });
    sockets.set(family, opened);
    opened.catch(() => sockets.delete(family));
    return opened;
  };

  const linger = async (): Promise<void> => {
    if (lingering) return;
    lingering = true;
    while (sockets.size > 0 && !ended.signal.aborted) {
      const rest = lastUse + LINGER_MS - clock.now();
      if (rest <= 0 && pending.size === 0) for (const family of [...sockets.keys()]) await close(family);
      else await clock.sleep(Math.max(rest, 500), ended.signal).catch(() => {});
    }
    lingering = false;
  };

  return {
    id: Buffer.from(id).toString('hex'),

    async ask(to, query, signal) {
      await takeToken(signal);
      if (ended.signal.aborted) throw new StunmeshError('ERR_CLOSED', 'the store is closed');
      const socket = await socketFor(to.family);
      const bytes = Uint8Array.from(randomBytes(4));
      const transaction = Buffer.from(bytes).toString('latin1');
      using limit = clock.deadline(TIMEOUT_MS, signal);
      const answered = new Promise<Answer | Refusal | undefined>((settle) => {
        pending.set(transaction, { to, settle });
        limit.signal.addEventListener('abort', () => settle(undefined), { once: true });
      });
      try {
        lastUse = clock.now();
        void linger();
        // A node that cannot be reached is one that does not answer.
        await socket.send(encodeQuery(query, { transaction: bytes, id }), to).catch(() => {});
        const answer = await answered;
        signal.throwIfAborted();
        return answer;
      } finally {
        pending.delete(transaction);
      }
    },

    async [Symbol.asyncDispose]() {
      ended.abort();
      for (const { settle } of pending.values()) settle(undefined);
      for (const family of [...sockets.keys()]) await close(family);
    },
  };
}
