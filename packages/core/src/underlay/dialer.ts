/** The way out for everything that is not WireGuard: stores' connections and questions for names get past a tunnel that takes over the default way. */
import { readFileSync } from 'node:fs';
import { isIP, connect as plainConnect, type Socket } from 'node:net';
import {
  type CaptureModule,
  type Clock,
  type Connect,
  type Endpoint,
  type Family,
  isStunmeshError,
  type Logger,
  raceAbort,
  StunmeshError,
} from '../api/index.js';
import { parseAddress } from '../net/index.js';
import { createDnsClient } from './dns-client.js';
import { fullTunnel, markTo, mayBeInside, type TunnelDevice } from './full-tunnel.js';
import { createResolver, type Resolver } from './resolver.js';

/** While there is something else to try, an attempt that is not answered has so long. */
const ATTEMPT_MS = 3_000;
/** The last one has so long: an answer takes three repeats of the SYN at most (1, 3 and 7 s); Linux itself gives up after 127 s. */
const LAST_ATTEMPT_MS = 10_000;
/** Once one family has addresses, the other has so long: some servers drop questions for AAAA. RFC 8305 section 3 waits 50 ms. */
const OTHER_FAMILY_MS = 300;
const DNS_PORT = 53;

export interface WayOutOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly capture: Pick<CaptureModule, 'name' | 'connectTcp' | 'openDatagramSocket'>;
  /** The devices as they are now. */
  devices(): Iterable<TunnelDevice>;
  /** Stand-ins (tests). */
  readonly resolvConf?: string;
  readonly hostsFile?: string;
  /** Whom the system asks, "192.0.2.53:53". */
  readonly nameServers?: readonly string[];
  connectPlainly?(host: string, port: number, signal: AbortSignal): Promise<Socket>;
}

interface Attempt {
  readonly address: string;
  /** 0: by the system's own means. */
  readonly firewallMark: number;
}

export interface WayOut {
  readonly connect: Connect;
  readonly resolve: Resolver;
  /** The mark that other programs' sockets need now; 0: none. */
  firewallMark(): number;
}

export function createWayOut(options: WayOutOptions): WayOut {
  const { clock, logger, capture } = options;
  const { connectTcp, openDatagramSocket } = capture;
  const plainly = options.connectPlainly ?? connectPlainly;
  let warned = false;

  /** The device whose mark is in force; said once. */
  const inForce = (): TunnelDevice | undefined => {
    const device = fullTunnel(options.devices());
    if (!device || warned) return device;
    warned = true;
    const mark = formatMark(device.firewallMark);
    if (connectTcp && openDatagramSocket)
      logger.info(
        { device: device.name, mark },
        'the tunnel takes over the default way: stores and DNS go past it by its mark',
      );
    else
      logger.warn(
        { device: device.name, mark, capture: capture.name },
        'the tunnel takes over the default way, and this capture cannot mark connections: stores and DNS go into the tunnel, dead or not',
      );
    return device;
  };

  const ask = createDnsClient({
    clock,
    async open(to, onMessage, onFault) {
      if (!openDatagramSocket) throw new StunmeshError('ERR_INTERNAL', 'this capture opens no marked socket');
      const firewallMark = markTo(to.address, options.devices());
      return openDatagramSocket({ to, firewallMark, onMessage, onFault });
    },
  });

  /** Undefined: no name server is behind a tunnel that takes over the default way. */
  const askMarked = (host: string, family: Family, signal: AbortSignal): Promise<readonly string[]> | undefined => {
    if (!inForce() || !openDatagramSocket) return undefined;
    const servers = nameServers(options.resolvConf ?? '/etc/resolv.conf');
    if (!servers.some(({ address }) => markTo(address, options.devices()) !== 0)) return undefined;
    return ask(host, family, servers, signal);
  };

  const { hostsFile, nameServers: systems } = options;
  const resolve = createResolver({
    ask: askMarked,
    ...(hostsFile ? { hostsFile } : {}),
    ...(systems ? { nameServers: systems } : {}),
  });

  const addressesOf = async (host: string, signal: AbortSignal): Promise<readonly string[]> => {
    if (isIP(host) !== 0) return [host];
    const over = new AbortController();
    const end = (): void => over.abort(signal.reason);
    signal.addEventListener('abort', end, { once: true });
    try {
      const asked = ([4, 6] as const).map(async (family) => {
        const addresses = await resolve(host, family, over.signal);
        if (addresses.length > 0) clock.sleep(OTHER_FAMILY_MS, over.signal).then(end, () => undefined);
        return addresses;
      });
      const found = await Promise.allSettled(asked);
      signal.throwIfAborted();
      const addresses = found.flatMap((each) => (each.status === 'fulfilled' ? each.value : []));
      if (addresses.length > 0) return addresses;
      const reason = found.find((each) => each.status === 'rejected')?.reason;
      throw reason ?? new StunmeshError('ERR_RESOLVE', `${host} has no address`);
    } finally {
      signal.removeEventListener('abort', end);
      over.abort();
    }
  };

  const attemptsAt = (address: string): readonly Attempt[] => {
    const firewallMark = markTo(address, options.devices());
    const inside = firewallMark !== 0 && mayBeInside(address);
    return [{ address, firewallMark }, ...(inside ? [{ address, firewallMark: 0 }] : [])];
  };

  const connectTo = async ({ address, firewallMark }: Attempt, port: number, signal: AbortSignal): Promise<Socket> => {
    if (firewallMark === 0 || !connectTcp) return await plainly(address, port, signal);
    const family = parseAddress(address)?.length === 4 ? 4 : 6;
    return await connectTcp({ to: { family, address, port }, firewallMark, signal });
  };

  const connect: Connect = async ({ host, port, signal }) => {
    signal.throwIfAborted();
    const past = inForce() !== undefined && connectTcp !== undefined;
    const attempts = past
      ? (await addressesOf(host, signal)).flatMap(attemptsAt)
      : [{ address: host, firewallMark: 0 }];
    let failure: unknown;
    for (const [index, attempt] of attempts.entries()) {
      using limit = clock.deadline(index === attempts.length - 1 ? LAST_ATTEMPT_MS : ATTEMPT_MS, signal);
      try {
        return await connectTo(attempt, port, limit.signal);
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
      }
    }
    if (!isStunmeshError(failure)) throw failure;
    // What a capture calls a packet that was not sent is, to a store, a back end that cannot be reached.
    throw new StunmeshError('ERR_STORE_UNAVAILABLE', `${host}: ${failure.message}`, { details: failure.details });
  };

  return { connect, resolve, firewallMark: () => inForce()?.firewallMark ?? 0 };
}

/** By the system's own means. Rejects with the system's error, or the signal's reason. */
async function connectPlainly(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const socket = plainConnect({ host, port });
  const ready = new Promise<Socket>((resolve, reject) => {
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
  try {
    const connected = await raceAbort(ready, signal);
    socket.removeAllListeners('error');
    return connected;
  } catch (error) {
    socket.on('error', () => undefined);
    socket.destroy();
    throw error;
  }
}

/** resolv.conf(5); read afresh each time, as a network that is joined brings others. */
function nameServers(file: string): readonly Endpoint[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  return [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].flatMap(([, address = '']) => {
    const bytes = parseAddress(address);
    return bytes ? [{ family: bytes.length === 4 ? 4 : 6, address, port: DNS_PORT } as const] : [];
  });
}

/** As wg(8) shows it: "0xca6c". */
export function formatMark(mark: number): string {
  return `0x${mark.toString(16)}`;
}
