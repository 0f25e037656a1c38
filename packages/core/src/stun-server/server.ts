/** A small binding server (RFC 8489), with two addresses of one family also a NAT behaviour server (RFC 5780). */
import type { RemoteInfo } from 'node:dgram';
import { type Clock, type Endpoint, type Family, type Logger, StunmeshError } from '../api/index.js';
import { parseAddress, refusedAddress } from '../net/index.js';
import type { ChangeRequest } from '../stun/attributes.js';
import { DEFAULT_RATE_PER_SECOND, DEFAULT_TOTAL_PER_SECOND } from './defaults.js';
import { type Listener, openListener } from './listener.js';
import { createRateLimit, type RateLimit } from './rate-limit.js';
import { createReply, isBindingRequest, mayAnswer, type Reply, type ReplyContext } from './reply.js';

/** About 10 MB at most. */
const MOST_SOURCES = 50_000;

export interface StunServerOptions {
  /** Where to listen; exactly two concrete addresses of one family and port make a NAT behaviour server. Port 0: any free one. */
  readonly addresses: readonly Endpoint[];
  /** The second port of a NAT behaviour server. Default: the first plus 1. */
  readonly alternatePort?: number;
  /** Told to clients in each answer. Default: nothing. */
  readonly software?: string;
  /** Answers a second to one source. Default: 50. */
  readonly ratePerSecond?: number;
  /** Answers a second to all sources together. Default: 5,000. */
  readonly totalPerSecond?: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface StunServer extends AsyncDisposable {
  /** All sockets, in the order of `addresses`, the alternate ones behind. */
  readonly addresses: readonly Endpoint[];
  /** What happened since the start. */
  readonly counters: StunServerCounters;
}

export interface StunServerCounters {
  /** Requests answered with an address, and with an error. */
  readonly answered: number;
  readonly refused: number;
  /** Datagrams that were no binding request, or came from where nothing can be sent to. */
  readonly ignored: number;
  /** Requests left unanswered because of a rate limit. */
  readonly limited: number;
  /** Of UDP payload. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Sources in the table of rate limits now. */
  readonly sources: number;
}

interface Shared {
  readonly options: StunServerOptions;
  readonly rateLimit: RateLimit;
  readonly counters: { -readonly [K in Exclude<keyof StunServerCounters, 'sources'>]: number };
  /** All that were opened, to be closed. */
  readonly listeners: Listener[];
}

/** Errors: ERR_STUN_SERVER, ERR_USAGE (no address, or a second port that is not one). */
export async function openStunServer(options: StunServerOptions): Promise<StunServer> {
  const { addresses, alternatePort } = options;
  const { ratePerSecond = DEFAULT_RATE_PER_SECOND, totalPerSecond = DEFAULT_TOTAL_PER_SECOND } = options;
  if (addresses.length === 0) throw new StunmeshError('ERR_USAGE', 'a STUN server needs an address to listen on');
  if (alternatePort !== undefined && addresses.some((a) => a.port === alternatePort && a.port !== 0))
    throw new StunmeshError('ERR_USAGE', `the alternate port ${alternatePort} must differ from the first one`);
  const rateLimit = createRateLimit({ ratePerSecond, totalPerSecond, mostSources: MOST_SOURCES });
  const counters = { answered: 0, refused: 0, ignored: 0, limited: 0, receivedBytes: 0, sentBytes: 0 };
  const shared: Shared = { options, rateLimit, counters, listeners: [] };
  const close = async () => {
    await Promise.all(shared.listeners.map((listener) => listener[Symbol.asyncDispose]()));
  };
  try {
    for (const family of [4, 6] as const) await openFamily(family, shared);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    addresses: shared.listeners.map((l) => l.address),
    get counters() {
      return { ...counters, sources: rateLimit.size };
    },
    [Symbol.asyncDispose]: close,
  };
}

/** The answer to a datagram, where it gets one; counts it either way. */
function replyTo(shared: Shared, bytes: Uint8Array, context: ReplyContext): Reply | undefined {
  const { counters, rateLimit, options } = shared;
  counters.receivedBytes += bytes.length;
  // What is no request costs no place in the table of sources.
  if (!isBindingRequest(bytes) || !mayAnswer(context.from)) {
    counters.ignored += 1;
    return undefined;
  }
  if (!rateLimit.allow(context.from.address, options.clock.now())) {
    counters.limited += 1;
    return undefined;
  }
  const reply = createReply(bytes, context);
  if (!reply) counters.ignored += 1;
  else {
    counters[reply.kind === 'success' ? 'answered' : 'refused'] += 1;
    counters.sentBytes += reply.bytes.length;
  }
  return reply;
}

async function openFamily(family: Family, shared: Shared): Promise<void> {
  const addresses = shared.options.addresses.filter((a) => a.family === family);
  const [one, two] = addresses;
  if (one && two && addresses.length === 2 && one.port === two.port && isConcrete(one) && isConcrete(two))
    await openPair(one, two, shared);
  else for (const address of addresses) await openSingle(address, shared);
}

/** On a wildcard address it is not known which address was asked. */
function isConcrete({ address }: Endpoint): boolean {
  return refusedAddress(parseAddress(address) ?? new Uint8Array(4)) !== 'unspecified';
}

async function openSingle(address: Endpoint, shared: Shared): Promise<void> {
  const { options, listeners } = shared;
  const listener: Listener = await openListener({
    address,
    logger: options.logger,
    onDatagram(bytes, from, raw) {
      const reply = replyTo(shared, bytes, {
        from,
        origin: () => (isConcrete(address) ? listener.address : undefined),
        ...software(options),
      });
      if (reply) listener.send(reply.bytes, raw);
    },
  });
  listeners.push(listener);
}

/** RFC 5780 section 6: four sockets, each address with each port. */
async function openPair(one: Endpoint, two: Endpoint, shared: Shared): Promise<void> {
  const { options, listeners } = shared;
  const grid: Listener[][] = [[], []];
  const at = (address: number, port: number) => grid[address]?.[port];
  const open = async (address: number, port: number, endpoint: Endpoint): Promise<Endpoint> => {
    const listener = await openListener({
      address: endpoint,
      logger: options.logger,
      onDatagram: (bytes, from, raw) => onDatagram(address, port, bytes, from, raw),
    });
    listeners.push(listener);
    (grid[address] ?? [])[port] = listener;
    return listener.address;
  };
  const onDatagram = (address: number, port: number, bytes: Uint8Array, from: Endpoint, raw: RemoteInfo): void => {
    const chosen = ({ changeIp, changePort }: ChangeRequest) =>
      at(changeIp ? 1 - address : address, changePort ? 1 - port : port);
    const other = at(1 - address, 1 - port)?.address;
    const context = { from, origin: (c: ChangeRequest) => chosen(c)?.address, ...software(options) };
    const reply = replyTo(shared, bytes, other ? { ...context, other } : context);
    if (reply) chosen(reply.change)?.send(reply.bytes, raw);
  };

  const { port: first } = await open(0, 0, one);
  await open(1, 0, { ...two, port: first });
  const { port: second } = await open(0, 1, { ...one, port: alternateOf(one.port, options.alternatePort) });
  await open(1, 1, { ...two, port: second });
}

function alternateOf(port: number, alternatePort: number | undefined): number {
  if (alternatePort !== undefined) return alternatePort;
  return port === 0 ? 0 : (port % 65535) + 1;
}

function software({ software: text }: StunServerOptions): { software?: string } {
  return text === undefined ? {} : { software: text };
}
