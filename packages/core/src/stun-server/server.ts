/** A small binding server (RFC 8489), with two addresses of one family also a NAT behaviour server (RFC 5780). */
import type { RemoteInfo } from 'node:dgram';
import { type Clock, type Endpoint, type Family, type Logger, StunmeshError } from '../api/index.js';
import { parseAddress, refusedAddress } from '../net/index.js';
import type { ChangeRequest } from '../stun/attributes.js';
import { DEFAULT_RATE_PER_SECOND } from './defaults.js';
import { type Listener, openListener } from './listener.js';
import { createRateLimit, type RateLimit } from './rate-limit.js';
import { createReply } from './reply.js';

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
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface StunServer extends AsyncDisposable {
  /** All sockets, in the order of `addresses`, the alternate ones behind. */
  readonly addresses: readonly Endpoint[];
}

interface Shared {
  readonly options: StunServerOptions;
  readonly rateLimit: RateLimit;
  /** All that were opened, to be closed. */
  readonly listeners: Listener[];
}

/** Errors: ERR_STUN_SERVER, ERR_USAGE (no address, or a second port that is not one). */
export async function openStunServer(options: StunServerOptions): Promise<StunServer> {
  const { addresses, alternatePort, ratePerSecond = DEFAULT_RATE_PER_SECOND } = options;
  if (addresses.length === 0) throw new StunmeshError('ERR_USAGE', 'a STUN server needs an address to listen on');
  if (alternatePort !== undefined && addresses.some((a) => a.port === alternatePort && a.port !== 0))
    throw new StunmeshError('ERR_USAGE', `the alternate port ${alternatePort} must differ from the first one`);
  const rateLimit = createRateLimit({ ratePerSecond, mostSources: MOST_SOURCES });
  const shared: Shared = { options, rateLimit, listeners: [] };
  const close = async () => {
    await Promise.all(shared.listeners.map((listener) => listener[Symbol.asyncDispose]()));
  };
  try {
    for (const family of [4, 6] as const) await openFamily(family, shared);
  } catch (error) {
    await close();
    throw error;
  }
  return { addresses: shared.listeners.map((l) => l.address), [Symbol.asyncDispose]: close };
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

async function openSingle(address: Endpoint, { options, rateLimit, listeners }: Shared): Promise<void> {
  const listener: Listener = await openListener({
    address,
    logger: options.logger,
    onDatagram(bytes, from, raw) {
      if (!rateLimit.allow(from.address, options.clock.now())) return;
      const reply = createReply(bytes, {
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
async function openPair(one: Endpoint, two: Endpoint, { options, rateLimit, listeners }: Shared): Promise<void> {
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
    if (!rateLimit.allow(from.address, options.clock.now())) return;
    const chosen = ({ changeIp, changePort }: ChangeRequest) =>
      at(changeIp ? 1 - address : address, changePort ? 1 - port : port);
    const other = at(1 - address, 1 - port)?.address;
    const context = { from, origin: (c: ChangeRequest) => chosen(c)?.address, ...software(options) };
    const reply = createReply(bytes, other ? { ...context, other } : context);
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
