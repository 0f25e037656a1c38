/** Sends UDP datagrams by a raw socket, as if from a port that another socket owns. */
import { type Endpoint, type Family, StunmeshError, type StunSendOptions } from '../api/index.js';
import { encodeUdp, formatEndpoint, udpChecksum } from '../net/index.js';
import { closedError } from './errors.js';
import { encodeSockaddr, int32 } from './sockaddr.js';
import type { NativeSocket, SystemCalls } from './system-calls.js';

/** Where the checksum stands in the UDP header (RFC 3542 section 3.1). */
const CHECKSUM_OFFSET = 6;
const MOST = { ttl: 255, port: 65_535 } as const;

/** The raw socket, which hears nothing yet. IPv6's checksums are the kernel's business (F6). Errors: SystemError. */
export function openRawUdp(native: SystemCalls, family: Family): NativeSocket {
  const { constants: c } = native;
  // Without IP_HDRINCL: the kernel writes the IP header, and its length and offset are right on every system.
  const socket = native.open(family === 4 ? c.AF_INET : c.AF_INET6, c.SOCK_RAW, c.IPPROTO_UDP);
  try {
    if (family === 6) native.setOption(socket, c.IPPROTO_IPV6, c.IPV6_CHECKSUM, int32(CHECKSUM_OFFSET));
    return socket;
  } catch (error) {
    native.close(socket);
    throw error;
  }
}

export interface UdpSenderOptions {
  readonly native: SystemCalls;
  readonly socket: NativeSocket;
  readonly family: Family;
  readonly localPort: number;
  /** Names the socket in errors. */
  readonly what: string;
  /** False: closed. */
  isOpen(): boolean;
  /** The IPv4 source address that the kernel chooses towards there; throws a SystemError. */
  sourceFor(to: Endpoint): string;
  sendError(error: unknown, to: string): unknown;
}

/** Errors of what it gives: ERR_CLOSED, ERR_CAPTURE_BLOCKED, ERR_CAPTURE_UNREACHABLE, ERR_CAPTURE_SEND. */
export function createUdpSender(
  o: UdpSenderOptions,
): (message: Uint8Array, to: Endpoint, options?: StunSendOptions) => void {
  const { native, socket, family, localPort, what } = o;
  const setTtl = createTtlSetter(native, socket, family);
  return (message, to, { ttl, sourcePort = localPort } = {}) => {
    if (!o.isOpen()) throw closedError(what);
    if (to.family !== family)
      throw new StunmeshError('ERR_CAPTURE_SEND', `${formatEndpoint(to)} is not for ${what}: another family`);
    if (!(Number.isInteger(sourcePort) && sourcePort >= 1 && sourcePort <= MOST.port))
      throw new StunmeshError('ERR_CAPTURE_SEND', `a source port is a whole number from 1 to 65535, not ${sourcePort}`);
    checkTtl(ttl);
    try {
      const datagram = encodeUdp({ sourcePort, destinationPort: to.port, checksum: 0, payload: message });
      // The checksum covers the source address, which the kernel chooses by route and mark: ask it, each time afresh (F6, F6b).
      if (family === 4)
        new DataView(datagram.buffer).setUint16(CHECKSUM_OFFSET, udpChecksum(datagram, o.sourceFor(to), to.address));
      setTtl(ttl);
      native.send(socket, datagram, encodeSockaddr(native, to.address, 0, scopeOf(native, to)));
    } catch (error) {
      throw o.sendError(error, formatEndpoint(to));
    }
  };
}

/** Errors: ERR_CAPTURE_SEND for what is no TTL; undefined is one: the system's own. */
export function checkTtl(ttl: number | undefined): void {
  if (ttl !== undefined && !(Number.isInteger(ttl) && ttl >= 1 && ttl <= MOST.ttl))
    throw new StunmeshError('ERR_CAPTURE_SEND', `a TTL is a whole number from 1 to 255, not ${ttl}`);
}

/** The BSDs take no -1 for IP_TTL; 64 is what all of them begin with. */
const SYSTEM_TTL: Readonly<Record<Family, number>> = { 4: 64, 6: -1 };

/** Sets the TTL of what is sent next, where it is another one than the last; undefined: the system's. */
export function createTtlSetter(
  native: SystemCalls,
  socket: NativeSocket,
  family: Family,
): (ttl: number | undefined) => void {
  const { constants: c } = native;
  let last: number | undefined;
  return (ttl) => {
    if (ttl === last) return;
    const [level, name] = family === 4 ? [c.IPPROTO_IP, c.IP_TTL] : [c.IPPROTO_IPV6, c.IPV6_UNICAST_HOPS];
    // Linux takes -1, and knows another default than 64 where net.ipv4.ip_default_ttl says so.
    const own = c.SOCKADDR_HAS_LENGTH === 0 ? -1 : SYSTEM_TTL[family];
    native.setOption(socket, level, name, int32(ttl ?? own));
    last = ttl;
  };
}

/** The interface index of a zone; 0: the address has none. */
function scopeOf(native: SystemCalls, { address, zone }: Endpoint): number {
  if (zone === undefined) return 0;
  const index = native.interfaceIndex(zone);
  if (index !== 0) return index;
  throw new StunmeshError('ERR_CAPTURE_UNREACHABLE', `there is no interface ${zone} to send to ${address} by`);
}
