/** The raw ICMP socket for a tunnel device: echo requests out, echo replies in (F30). */
import { type EchoSocket, type EchoSocketOptions, type Family, StunmeshError } from '@stunmesh/core/api';
import { formatAddress, isLinkLocal, parseAddress } from '@stunmesh/core/net';
import { closedError, lostError, openError, sendError } from './errors.js';
import type { Native, NativeSocket, PacketListener } from './native.js';
import type { NetworkNews } from './network-news.js';
import { routeTo } from './route.js';
import { decodeSockaddr, encodeSockaddr, int32 } from './sockaddr.js';

const BUFFER_BYTES = 65_536;
const ECHO_REPLY: Readonly<Record<Family, number>> = { 4: 0, 6: 129 };
const SYSTEM_TTL = -1;
/** FreeBSD and macOS take no -1 for IP_TTL; 64 is what they and Linux begin with. */
const DEFAULT_TTL: Readonly<Record<Family, number>> = { 4: 64, 6: -1 };

/** Errors: ERR_CAPTURE_PERMISSION, ERR_CAPTURE_OPEN (also when there is no such device). */
export function openEchoSocket(native: Native, news: NetworkNews, options: EchoSocketOptions): EchoSocket {
  const { family, device } = options;
  const what = `the IPv${family} echo socket of ${device}`;
  const index = native.interfaceIndex(device);
  if (index === 0)
    throw new StunmeshError('ERR_CAPTURE_OPEN', `${what} cannot be opened: there is no device ${device}`);

  let open = true;
  let socket: NativeSocket | undefined;
  let bound = false;
  let forget: (() => void) | undefined;
  const close = () => {
    open = false;
    forget?.();
    if (socket) native.close(socket);
  };
  const lose = (error?: unknown) => {
    if (!open) return;
    close();
    options.onFault(lostError(`${what} (the device is gone)`, error));
  };
  const onPacket: PacketListener = (error, packet, from) => {
    if (!open || !socket) return;
    if (error?.code === 'ENETDOWN') native.resume(socket);
    else if (error) lose(error);
    else {
      const arrived = read(native, family, packet, from);
      if (arrived?.icmp[0] === ECHO_REPLY[family]) options.onPacket(arrived.icmp, arrived.from);
    }
  };
  try {
    forget = news.listen({
      event({ kind }) {
        // macOS tells of a tunnel that is gone by its addresses alone.
        if (kind !== 'route' && native.interfaceIndex(device) !== index) lose();
      },
      fault: lose,
    });
    const opened = openRaw(native, options, index);
    ({ socket, bound } = opened);
    native.start(socket, BUFFER_BYTES, onPacket);
  } catch (error) {
    close();
    throw openError(error, what);
  }

  let ttl = SYSTEM_TTL;
  return {
    async send(packet, to, { ttl: wanted = SYSTEM_TTL } = {}) {
      if (!open || !socket) throw closedError(what);
      if (parseAddress(to)?.length !== (family === 4 ? 4 : 16))
        throw new StunmeshError('ERR_CAPTURE_SEND', `${to} is not an IPv${family} address`);
      if (wanted !== SYSTEM_TTL && !(Number.isInteger(wanted) && wanted >= 1 && wanted <= 255))
        throw new StunmeshError('ERR_CAPTURE_SEND', `a TTL is a whole number from 1 to 255, not ${wanted}`);
      try {
        if (!bound) checkRoute(native, to, device);
        if (wanted !== ttl) setTtl(native, socket, family, wanted === SYSTEM_TTL ? DEFAULT_TTL[family] : wanted);
        ttl = wanted;
        native.send(socket, packet, encodeSockaddr(native, to, 0, isLinkLocal(to) ? index : 0));
      } catch (error) {
        throw sendError(error, to);
      }
    },
    async [Symbol.asyncDispose]() {
      if (open) close();
    },
  };
}

function openRaw(native: Native, { family, device }: EchoSocketOptions, index: number) {
  const { constants: c } = native;
  const socket =
    family === 4
      ? native.open(c.AF_INET, c.SOCK_RAW, c.IPPROTO_ICMP)
      : native.open(c.AF_INET6, c.SOCK_RAW, c.IPPROTO_ICMPV6);
  try {
    const bound = bindToDevice(native, socket, family, device, index);
    if (family === 6)
      native.setOption(socket, c.IPPROTO_ICMPV6, c.ICMP6_FILTER, icmp6Filter(c.SOCKADDR_HAS_LENGTH === 1));
    // As F4: until the socket was bound it heard every device.
    native.drain(socket);
    return { socket, bound };
  } catch (error) {
    native.close(socket);
    throw error;
  }
}

/** False on FreeBSD, which cannot. */
function bindToDevice(native: Native, socket: NativeSocket, family: Family, device: string, index: number): boolean {
  const { constants: c } = native;
  const boundIf = family === 4 ? c.IP_BOUND_IF : c.IPV6_BOUND_IF;
  if (c.SO_BINDTODEVICE !== 0) native.setOption(socket, c.SOL_SOCKET, c.SO_BINDTODEVICE, Buffer.from(`${device}\0`));
  else if (boundIf !== 0) native.setOption(socket, family === 4 ? c.IPPROTO_IP : c.IPPROTO_IPV6, boundIf, int32(index));
  else return false;
  return true;
}

function checkRoute(native: Native, to: string, device: string): void {
  if (routeTo(native, { to, firewallMark: 0, device })) return;
  throw new StunmeshError('ERR_CAPTURE_UNREACHABLE', `the route to ${to} does not leave by ${device}`);
}

/** RFC 3542 section 3.2; eight 32-bit words. On the BSDs a set bit lets the type pass, on Linux it blocks it. */
function icmp6Filter(setPasses: boolean): Uint8Array {
  const type = ECHO_REPLY[6];
  const words = Array.from({ length: 8 }, (_, i) => (i === type >> 5 ? 1 << (type & 31) : 0));
  return Buffer.concat(words.map((word) => int32(setPasses ? word : ~word)));
}

function setTtl(native: Native, socket: NativeSocket, family: Family, ttl: number): void {
  const { constants: c } = native;
  if (family === 4) native.setOption(socket, c.IPPROTO_IP, c.IP_TTL, int32(ttl));
  else native.setOption(socket, c.IPPROTO_IPV6, c.IPV6_UNICAST_HOPS, int32(ttl));
}

function read(
  native: Native,
  family: Family,
  packet: Uint8Array,
  from: Uint8Array,
): { readonly icmp: Uint8Array; readonly from: string } | undefined {
  if (family === 6) {
    const source = decodeSockaddr(native, from);
    return source && { icmp: packet, from: source.address };
  }
  // The header's total length is not looked at: macOS hands it over in host byte order, without the header.
  const headerBytes = ((packet[0] ?? 0) & 0x0f) * 4;
  if (headerBytes < 20 || packet.length < headerBytes) return undefined;
  return { icmp: packet.subarray(headerBytes), from: formatAddress(packet.subarray(12, 16)) };
}
