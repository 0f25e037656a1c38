/** One binding transaction over UDP: a request, its retransmissions, and the one reply that counts (RFC 8489 sections 6.2.1 and 6.3, F1). */
import {
  type Clock,
  type Endpoint,
  hasCode,
  isStunmeshError,
  type StunMessageEvent,
  StunmeshError,
} from '../api/index.js';
import { formatEndpoint } from '../net/index.js';
import { ATTRIBUTE, readErrorCode, unknownRequired } from './attributes.js';
import {
  formatMessage,
  METHOD_BINDING,
  type StunAttribute,
  type StunMessage,
  TRANSACTION_ID_BYTES,
} from './message.js';

/** Section 6.2.1: first retransmission timeout, then doubled each time. */
const RTO_MS = 500;
/** Section 6.2.1, Rc: requests that are sent in all. */
const REQUESTS = 7;
/** Section 6.2.1, Rm: how many RTOs to wait after the last one. */
const LAST_WAIT_RTOS = 16;

/** Comprehension-required types that may stand in a success response; an answer with another one counts as a failure (section 6.3.3). */
const KNOWN: ReadonlySet<number> = new Set(Object.values(ATTRIBUTE));

export interface TransactionOptions {
  readonly server: Endpoint;
  /** The port that the request leaves from, and the only one that a reply may come to, unless the capture knows that this host rewrote it. */
  readonly listenPort: number;
  /** Whence the reply may come, where that is not the server's own address (CHANGE-REQUEST). Default: `server` alone. */
  readonly sources?: readonly Endpoint[];
  /** Attributes of the request. Default: none. */
  readonly attributes?: readonly StunAttribute[];
  /** What the transaction id begins with: the socket's transaction prefix. Default: none. */
  readonly prefix?: Uint8Array;
  send(message: Uint8Array, to: Endpoint): Promise<void>;
  readonly clock: Clock;
  random(bytes: number): Uint8Array;
  /** Overall limit. Default: that of section 6.2.1, 39.5 s. */
  readonly timeoutMs?: number;
  /** An answer to this very request came that does not count, and why (ERR_STUN_REFUSED); what counts may come yet. */
  onRemark?(remark: StunmeshError): void;
  readonly signal: AbortSignal;
}

export interface BindingAnswer {
  /** A success response. */
  readonly message: StunMessage;
  readonly from: Endpoint;
  /** Milliseconds since the first request was sent. */
  readonly rttMs: number;
}

export interface Transaction {
  /** Errors: ERR_STUN_REFUSED (error response), ERR_STUN_NO_RESPONSE, ERR_CAPTURE_BLOCKED, ERR_CAPTURE_UNREACHABLE, ERR_CAPTURE_SEND, or the signal's reason. */
  readonly answer: Promise<BindingAnswer>;
  /** Looks at a message that arrived; true when it was this transaction's reply. Anything else does not end it. */
  accept(event: StunMessageEvent, message: StunMessage): boolean;
  /** Notes a damaged message; true when it has this transaction's id. */
  remark(event: StunMessageEvent, id: Uint8Array, problem: string | undefined): boolean;
}

/** Sends a binding request and waits for its reply, which the caller hands to accept(). */
export function startTransaction(o: TransactionOptions): Transaction {
  const prefix = o.prefix ?? new Uint8Array();
  const transactionId = Uint8Array.of(...prefix, ...o.random(TRANSACTION_ID_BYTES - prefix.length));
  const request = formatMessage({
    class: 'request',
    method: METHOD_BINDING,
    transactionId,
    attributes: o.attributes ?? [],
  });
  const sources = o.sources ?? [o.server];
  const startedAt = o.clock.now();
  const ended = new AbortController();
  let settled = false;
  let sent = 0;
  let lastFault: StunmeshError | undefined;
  /** Why an answer that came did not count. */
  let odd: StunmeshError | undefined;
  let resolve: (answer: BindingAnswer) => void;
  let reject: (reason: unknown) => void;
  const answer = new Promise<BindingAnswer>((res, rej) => {
    resolve = res;
    reject = rej;
  });

  const end = (settle: () => void): void => {
    if (settled) return;
    settled = true;
    settle();
    ended.abort();
  };
  const fail = (error: unknown): void => end(() => reject(error));

  const onSendFault = (cause: unknown): void => {
    const error = isStunmeshError(cause) ? cause : sendFault(o.server, cause);
    lastFault = error;
    // Blocked or without a route from the start: waiting cannot help. Later on the reply to an earlier request may still come.
    const hopeless = hasCode(error, 'ERR_CAPTURE_BLOCKED') || hasCode(error, 'ERR_CAPTURE_UNREACHABLE');
    if (hopeless && sent === 0) fail(error);
  };
  const transmit = async (): Promise<void> => {
    try {
      await o.send(request, o.server);
      sent += 1;
    } catch (error) {
      onSendFault(error);
    }
  };
  const run = async (): Promise<void> => {
    // A send that hangs must not stop the retransmissions, so it is not awaited.
    for (let n = 0; n < REQUESTS; n += 1) {
      void transmit();
      await o.clock.sleep(n < REQUESTS - 1 ? RTO_MS * 2 ** n : RTO_MS * LAST_WAIT_RTOS, ended.signal);
    }
    timeUp();
  };
  const timeUp = (): void =>
    fail(odd ?? (sent === 0 && lastFault ? lastFault : noResponse(o.server, o.clock.now() - startedAt)));
  const note = (event: StunMessageEvent, problem: string): void => {
    odd = oddAnswer(o.server, event.from, problem);
    o.onRemark?.(odd);
  };
  const quiet = (): void => {};

  if (o.signal.aborted) fail(o.signal.reason);
  else {
    o.signal.addEventListener('abort', () => fail(o.signal.reason), { once: true, signal: ended.signal });
    run().catch(quiet);
    if (o.timeoutMs !== undefined) o.clock.sleep(o.timeoutMs, ended.signal).then(timeUp, quiet);
  }

  return {
    answer,
    accept(event, message) {
      if (settled || !sameBytes(message.transactionId, transactionId)) return false;
      if (message.method !== METHOD_BINDING) return false;
      if (message.class !== 'success' && message.class !== 'error') return false;
      if (event.to.port !== o.listenPort && !event.rewritten) {
        note(event, `it came to port ${event.to.port}, not to ${o.listenPort}`);
        return false;
      }
      if (!sources.some((source) => sameSource(source, event.from))) {
        note(event, 'that is not the address that was asked');
        return false;
      }
      const unknown = unknownRequired(message, KNOWN);
      if (message.class === 'error') fail(errorResponse(o.server, message));
      else if (unknown.length > 0) fail(unknownAttributes(o.server, unknown));
      else end(() => resolve({ message, from: event.from, rttMs: o.clock.now() - startedAt }));
      return true;
    },
    remark(event, id, problem) {
      if (settled || !sameBytes(id, transactionId)) return false;
      note(event, problem ?? 'it is damaged');
      return true;
    },
  };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** The zone is left aside: a capture need not know it. */
function sameSource(a: Endpoint, b: Endpoint): boolean {
  return a.family === b.family && a.address === b.address && a.port === b.port;
}

function noResponse(server: Endpoint, waitedMs: number): StunmeshError {
  return new StunmeshError(
    'ERR_STUN_NO_RESPONSE',
    `no answer from ${formatEndpoint(server)} in ${Math.round(waitedMs)} ms`,
    {
      details: { server: formatEndpoint(server) },
    },
  );
}

function sendFault(server: Endpoint, cause: unknown): StunmeshError {
  return new StunmeshError('ERR_CAPTURE_SEND', `the request to ${formatEndpoint(server)} could not be sent`, { cause });
}

function oddAnswer(server: Endpoint, from: Endpoint, problem: string): StunmeshError {
  return new StunmeshError(
    'ERR_STUN_REFUSED',
    `an answer of ${formatEndpoint(server)} came from ${formatEndpoint(from)} and does not count: ${problem}`,
    { details: { server: formatEndpoint(server), from: formatEndpoint(from) } },
  );
}

function errorResponse(server: Endpoint, message: StunMessage): StunmeshError {
  const error = readErrorCode(message);
  const text = error ? `error ${error.code} ${error.reason}`.trim() : 'an error response without a code';
  return new StunmeshError('ERR_STUN_REFUSED', `${formatEndpoint(server)} answered ${text}`, {
    details: { server: formatEndpoint(server), ...(error && { status: error.code }) },
  });
}

function unknownAttributes(server: Endpoint, types: readonly number[]): StunmeshError {
  const list = types.map((t) => `0x${t.toString(16).padStart(4, '0')}`).join(', ');
  return new StunmeshError(
    'ERR_STUN_REFUSED',
    `the answer of ${formatEndpoint(server)} needs attributes that are not understood here: ${list}`,
    { details: { server: formatEndpoint(server) } },
  );
}
