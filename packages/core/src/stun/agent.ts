/** STUN beside WireGuard's own socket: one socket for each family for as long as somebody needs it, and the one place that gives messages to whom they are for. */
import {
  type Clock,
  type Endpoint,
  type Family,
  raceAbort,
  type StunMessageEvent,
  StunmeshError,
  type StunSocket,
} from '../api/index.js';
import { TRANSACTION_PREFIX_BYTES } from '../net/index.js';
import { inspectMessage, type StunMessage } from './message.js';
import { type BindingAnswer, startTransaction, type Transaction, type TransactionOptions } from './transaction.js';

export interface AgentSocketOptions {
  readonly family: Family;
  /** What the ids of its transactions begin with. */
  readonly transactionPrefix: Uint8Array;
  /** Requests are handed over too. */
  readonly passRequests?: boolean;
  readonly sendOnly?: boolean;
  readonly signal: AbortSignal;
  onMessage(event: StunMessageEvent): void;
  onFault(error: StunmeshError): void;
}

export interface AgentParts {
  readonly clock: Clock;
  /** Unpredictable bytes. */
  random(bytes: number): Uint8Array;
  openSocket(options: AgentSocketOptions): Promise<StunSocket>;
  /** What a socket that is opened now is bound to; a socket with another `key` is of no use any more. */
  binding(): { readonly port: number; readonly key: string };
  /** Who is asked by others; absent: nobody, and requests stay in the kernel. */
  readonly requests?: {
    /** Whether sockets that are opened now hand requests over. */
    wanted(): boolean;
    onRequest(request: StunMessage, event: StunMessageEvent): void;
  };
}

export type Question = Pick<
  TransactionOptions,
  'server' | 'sources' | 'attributes' | 'timeoutMs' | 'signal' | 'onRemark'
>;

/** A share of the family's socket; disposing gives it back, and the last one closes it. */
export interface AgentSocket extends AsyncDisposable {
  /** Any bytes. Errors: those of StunSocket.send. */
  send(message: Uint8Array, to: Endpoint): Promise<void>;
  /** One binding transaction. Errors: those of Transaction.answer. */
  ask(question: Question): Promise<BindingAnswer>;
  /** Aborts when the socket is of no use any more; its reason is ERR_CAPTURE_LOST. */
  readonly lost: AbortSignal;
}

export interface Agent extends AsyncDisposable {
  /** Errors: those of openSocket, the signal's reason. The signal ends the opening alone. */
  acquire(family: Family, signal: AbortSignal): Promise<AgentSocket>;
  /** For what nobody answers: by the family's socket where it is open, else by one that hears nothing. Errors: as acquire. */
  acquireForSending(family: Family, signal: AbortSignal): Promise<Pick<AgentSocket, 'send'> & AsyncDisposable>;
}

/** A socket that is open, or being opened. */
interface Slot {
  readonly port: number;
  readonly key: string;
  readonly prefix: Uint8Array;
  readonly transactions: Set<Transaction>;
  readonly lost: AbortController;
  readonly closing: AbortController;
  socket: Promise<StunSocket> | undefined;
  users: number;
}

export function createAgent(parts: AgentParts): Agent {
  const slots = new Map<string, Slot>();

  const onMessage = (slot: Slot, event: StunMessageEvent): void => {
    const { message, transactionId, problem } = inspectMessage(event.message);
    if (message?.class === 'request') {
      parts.requests?.onRequest(message, event);
      return;
    }
    if (!transactionId) return;
    for (const transaction of slot.transactions)
      if (message ? transaction.accept(event, message) : transaction.remark(event, transactionId, problem)) return;
  };

  const openSocket = async (
    family: Family,
    sendOnly: boolean,
    slot: Slot,
    onFault: (error: StunmeshError) => void,
  ): Promise<StunSocket> =>
    parts.openSocket({
      family,
      transactionPrefix: slot.prefix,
      ...(sendOnly ? { sendOnly } : {}),
      ...(!sendOnly && parts.requests?.wanted() ? { passRequests: true } : {}),
      signal: slot.closing.signal,
      onMessage: (event) => onMessage(slot, event),
      onFault,
    });

  const forget = (name: string, slot: Slot): void => {
    if (slots.get(name) === slot) slots.delete(name);
  };
  /** Nobody is to use it any more. */
  const retire = (name: string, slot: Slot, reason: StunmeshError): void => {
    forget(name, slot);
    slot.lost.abort(reason);
  };
  const close = async (slot: Slot): Promise<void> => {
    slot.closing.abort(new StunmeshError('ERR_CLOSED', 'the STUN socket is closed'));
    await (await slot.socket?.catch(() => undefined))?.[Symbol.asyncDispose]();
  };

  const open = (family: Family, sendOnly: boolean): Slot => {
    const name = nameOf(family, sendOnly);
    const { port, key } = parts.binding();
    const known = slots.get(name);
    if (known?.key === key) return known;
    if (known) retire(name, known, new StunmeshError('ERR_CAPTURE_LOST', 'the device has another port or way now'));
    const slot: Slot = {
      port,
      key,
      prefix: parts.random(TRANSACTION_PREFIX_BYTES),
      transactions: new Set(),
      lost: new AbortController(),
      closing: new AbortController(),
      users: 0,
      socket: undefined,
    };
    slots.set(name, slot);
    slot.socket = openSocket(family, sendOnly, slot, (reason) => retire(name, slot, reason));
    slot.socket.catch(() => forget(name, slot));
    return slot;
  };

  const release = async (slot: Slot): Promise<void> => {
    slot.users -= 1;
    if (slot.users > 0) return;
    for (const name of slots.keys()) forget(name, slot);
    await close(slot);
  };

  const share = async (slot: Slot, signal: AbortSignal): Promise<AgentSocket> => {
    slot.users += 1;
    const socket = await raceAbort(slot.socket ?? Promise.reject(slot.lost.signal.reason), signal).catch((error) => {
      // One that opens too late is closed then; nobody waits for it.
      void release(slot);
      throw error;
    });
    let released: Promise<void> | undefined;
    return {
      lost: slot.lost.signal,
      send: (message, to) => socket.send(message, to),
      ask: (question) => ask(slot, socket, question),
      [Symbol.asyncDispose]() {
        released ??= release(slot);
        return released;
      },
    };
  };

  const ask = async (slot: Slot, socket: StunSocket, question: Question): Promise<BindingAnswer> => {
    const transaction = startTransaction({
      ...question,
      listenPort: slot.port,
      prefix: slot.prefix,
      send: (message, to) => socket.send(message, to),
      clock: parts.clock,
      random: parts.random,
    });
    slot.transactions.add(transaction);
    return transaction.answer.finally(() => slot.transactions.delete(transaction));
  };

  return {
    async acquire(family, signal) {
      signal.throwIfAborted();
      return share(open(family, false), signal);
    },
    async acquireForSending(family, signal) {
      signal.throwIfAborted();
      const heard = slots.get(nameOf(family, false));
      return share(heard?.key === parts.binding().key ? heard : open(family, true), signal);
    },
    async [Symbol.asyncDispose]() {
      const open = [...slots];
      for (const [name, slot] of open) retire(name, slot, new StunmeshError('ERR_CLOSED', 'the STUN agent is closed'));
      await Promise.all(open.map(([, slot]) => close(slot)));
    },
  };
}

function nameOf(family: Family, sendOnly: boolean): string {
  return `${family}${sendOnly ? ' sending' : ''}`;
}
