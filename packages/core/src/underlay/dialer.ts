/** Opens connections and UDP sockets of stores past a tunnel that takes over the default way, and asks for names in the same way. */
import { connect as plainConnect, type Socket } from 'node:net';
import {
  type CaptureModule,
  type Connect,
  isStunmeshError,
  type Logger,
  type OpenDatagrams,
  raceAbort,
  StunmeshError,
} from '../api/index.js';
import { parseAddress } from '../net/index.js';
import { createDatagramsOpener } from './datagrams.js';
import { fullTunnel, markTo, mayBeInside, type TunnelDevice } from './full-tunnel.js';
import { createNameLookup, type NameLookupOptions } from './name-lookup.js';
import type { Resolver } from './resolver.js';

/** While there is something else to try, an attempt that is not answered has so long. */
const ATTEMPT_MS = 3_000;
/** The last one has so long: an answer takes three repeats of the SYN at most (1, 3 and 7 s); Linux itself gives up after 127 s. */
const LAST_ATTEMPT_MS = 10_000;

export interface DialerOptions extends Omit<NameLookupOptions, 'tunnelled'> {
  readonly logger: Logger;
  readonly capture: MarkingCapture;
  /** Stand-in (tests). */
  connectPlainly?(host: string, port: number, signal: AbortSignal): Promise<Socket>;
}

/** What of a capture opens marked sockets. */
export type MarkingCapture = Pick<CaptureModule, 'name' | 'connectTcp' | 'openDatagramSocket' | 'openDatagrams'>;

interface Attempt {
  readonly address: string;
  /** 0: by the system's own means. */
  readonly firewallMark: number;
}

export interface Dialer {
  readonly connect: Connect;
  /** Absent where the capture has no such sockets, or there is none. */
  readonly openDatagrams?: OpenDatagrams;
  readonly resolve: Resolver;
  /** Addresses of both families. Errors: those of `resolve`. */
  addressesOf(host: string, signal: AbortSignal): Promise<readonly string[]>;
  /** The mark that other programs' sockets need now; 0: none. */
  firewallMark(): number;
}

export function createDialer(options: DialerOptions): Dialer {
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

  const { resolve, addressesOf } = createNameLookup({ ...options, tunnelled: () => inForce() !== undefined });

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

  return {
    connect,
    ...(capture.openDatagrams ? { openDatagrams: createDatagramsOpener(capture.openDatagrams, options.devices) } : {}),
    resolve,
    addressesOf,
    firewallMark: () => inForce()?.firewallMark ?? 0,
  };
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

/** As wg(8) shows it: "0xca6c". */
export function formatMark(mark: number): string {
  return `0x${mark.toString(16)}`;
}
