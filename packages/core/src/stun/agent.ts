/** STUN beside WireGuard's own socket: one socket for each family for as long as somebody needs it, and the one place that gives messages to whom they are for. */
import {
  type Clock,
  type Endpoint,
  type Family,
  raceAbort,
  type StunMessageEvent,
  StunmeshError,
  type StunRequests,
  type StunSendOptions,
  type StunSocket,
} from '../api/index.js';
import { TRANSACTION_PREFIX_BYTES } from '../net/index.js';
import { inspectMessage, type StunMessage } from './message.js';
import { type BindingAnswer, startTransaction, type Transaction, type TransactionOptions } from './transaction.js';

/** Ends the name of a socket that hears nothing. */
const SENDING = ' sending';

export interface AgentSocketOptions {
  readonly family: Family;
  /** What the ids of its transactions begin with. */
  readonly transactionPrefix: Uint8Array;
  /** Requests that are handed over too. */
  readonly requests?: StunRequests;
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
}

/** Who takes what is no reply to a transaction of the agent's. */
export interface MessageHandler {
  onRequest(request: StunMessage, event: StunMessageEvent): void;
  /** A response whose id begins with the prefix of its socket: to a question that was sent by AgentSocket.send. */
  onResponse?(response: StunMessage, event: StunMessageEvent): void;
}

export interface Question
  extends Pick<TransactionOptions, 'server' | 'sources' | 'attributes' | 'timeoutMs' | 'signal' | 'onRemark'> {
  /** Another port of ours that it is asked from; it has to be one of the `ports` that are heard. Default: the device's. */
  readonly sourcePort?: number;
}

/** A share of the family's socket; disposing gives it back, and the last one closes it. */
export interface AgentSocket extends AsyncDisposable {
  /** What the id of a question begins with, where its answer is to be heard. */
  readonly transactionPrefix: Uint8Array;
  /** Any bytes. Errors: those of StunSocket.send. */
  send(message: Uint8Array, to: Endpoint, options?: StunSendOptions): Promise<void>;
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
  /** From now on the sockets hand these requests over, those that are open and those that open later; undefined: none. Errors: those of
   * StunSocket.passRequests; ERR_CAPTURE_OPEN where the capture passes none. */
  passRequests(requests: StunRequests | undefined, handler: MessageHandler): Promise<void>;
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
  let wanted: StunRequests | undefined;
  let handler: MessageHandler | undefined;

  const onMessage = (slot: Slot, event: StunMessageEvent): void => {
    const { message, transactionId, problem } = inspectMessage(event.message);
    if (message?.class === 'request') {
      if (wanted) handler?.onRequest(message, event);
      return;
    }
    if (!transactionId) return;
    for (const transaction of slot.transactions)
      if (message ? transaction.accept(event, message) : transaction.remark(event, transactionId, problem)) return;
    if (message) handler?.onResponse?.(message, event);
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
      ...(!sendOnly && wanted ? { requests: wanted } : {}),
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
      transactionPrefix: slot.prefix,
      send: (message, to, options) => socket.send(message, to, options),
      ask: (question) => ask(slot, socket, question),
      [Symbol.asyncDispose]() {
        released ??= release(slot);
        return released;
      },
    };
  };

  const ask = async (slot: Slot, socket: StunSocket, question: Question): Promise<BindingAnswer> => {
    const { sourcePort } = question;
    const transaction = startTransaction({
      ...question,
      listenPort: sourcePort ?? slot.port,
      prefix: slot.prefix,
      send: (message, to) => socket.send(message, to, sourcePort === undefined ? undefined : { sourcePort }),
      clock: parts.clock,
      random: parts.random,
    });
    slot.transactions.add(transaction);
    return transaction.answer.finally(() => slot.transactions.delete(transaction));
  };

  /** A socket that is only being opened may have been asked for before the requests changed. */
  const tell = async (slot: Slot, requests: StunRequests | undefined): Promise<void> => {
    const socket = await slot.socket;
    if (!socket || slot.lost.signal.aborted) return;
    if (socket.passRequests) await socket.passRequests(requests);
    else if (requests) throw new StunmeshError('ERR_CAPTURE_OPEN', 'this capture hands no requests over');
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
    async passRequests(requests, takes) {
      [wanted, handler] = [requests, takes];
      const open = [...slots].filter(([name]) => !name.endsWith(SENDING)).map(([, slot]) => slot);
      await Promise.all(open.map((slot) => tell(slot, requests)));
    },
    async [Symbol.asyncDispose]() {
      const open = [...slots];
      for (const [name, slot] of open) retire(name, slot, new StunmeshError('ERR_CLOSED', 'the STUN agent is closed'));
      await Promise.all(open.map(([, slot]) => close(slot)));
    },
  };
}

function nameOf(family: Family, sendOnly: boolean): string {
  return `${family}${sendOnly ? SENDING : ''}`;
}
