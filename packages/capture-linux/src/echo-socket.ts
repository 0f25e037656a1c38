/** The raw ICMP socket bound to a tunnel device: echo requests out, echo replies in (F30). */
import { type EchoSocket, type EchoSocketOptions, type Family, StunmeshError } from '@stunmesh/core/api';
import { assembleBpf, bpf, DROP_ALL, encodeBpf, isLinkLocal, parseAddress, parseIpv4 } from '@stunmesh/core/net';
import type { DeviceWatch } from './device-watch.js';
import { closedError, lostError, openError, sendError } from './errors.js';
import type { Native, NativeSocket, PacketListener } from './native.js';
import { BYTE_ORDER, decodeSockaddr, encodeSockaddr, int32 } from './sockaddr.js';

const KEEP_ALL = assembleBpf([bpf.keep(0xffff)]);
const BUFFER_BYTES = 65_536;
const ICMP = 1;
const ECHO_REPLY: Readonly<Record<Family, number>> = { 4: 0, 6: 129 };
/** The system's own TTL. */
const DEFAULT_TTL = -1;

/** Errors: ERR_CAPTURE_PERMISSION, ERR_CAPTURE_OPEN (also when there is no such device). */
export function openEchoSocket(native: Native, watch: DeviceWatch, options: EchoSocketOptions): EchoSocket {
  const { family, device } = options;
  const what = `the IPv${family} echo socket of ${device}`;
  const index = native.interfaceIndex(device);
  if (index === 0)
    throw new StunmeshError('ERR_CAPTURE_OPEN', `${what} cannot be opened: there is no device ${device}`);

  let open = true;
  let socket: NativeSocket | undefined;
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
      const arrived = read(family, packet, from);
      if (arrived?.icmp[0] === ECHO_REPLY[family]) options.onPacket(arrived.icmp, arrived.from);
    }
  };
  try {
    forget = watch.onGone(index, lose);
    socket = openRaw(native, options);
    native.start(socket, BUFFER_BYTES, onPacket);
  } catch (error) {
    close();
    throw openError(error, what);
  }

  let ttl = DEFAULT_TTL;
  return {
    async send(packet, to, { ttl: wanted = DEFAULT_TTL } = {}) {
      if (!open || !socket) throw closedError(what);
      if (parseAddress(to)?.length !== (family === 4 ? 4 : 16))
        throw new StunmeshError('ERR_CAPTURE_SEND', `${to} is not an IPv${family} address`);
      if (wanted !== DEFAULT_TTL && !(Number.isInteger(wanted) && wanted >= 1 && wanted <= 255))
        throw new StunmeshError('ERR_CAPTURE_SEND', `a TTL is a whole number from 1 to 255, not ${wanted}`);
      try {
        if (wanted !== ttl) setTtl(native, socket, family, wanted);
        ttl = wanted;
        native.send(socket, packet, encodeSockaddr(to, 0, isLinkLocal(to) ? index : 0));
      } catch (error) {
        throw sendError(error, to);
      }
    },
    async [Symbol.asyncDispose]() {
      if (open) close();
    },
  };
}

function openRaw(native: Native, { family, device }: EchoSocketOptions): NativeSocket {
  const { constants: c } = native;
  const socket =
    family === 4
      ? native.open(c.AF_INET, c.SOCK_RAW, c.IPPROTO_ICMP)
      : native.open(c.AF_INET6, c.SOCK_RAW, c.IPPROTO_ICMPV6);
  try {
    // As F4: until the socket is bound it hears every device.
    native.attachFilter(socket, encodeBpf(DROP_ALL, BYTE_ORDER));
    native.drain(socket);
    if (family === 4) native.setOption(socket, c.SOL_RAW, c.ICMP_FILTER, icmpFilter());
    else native.setOption(socket, c.IPPROTO_ICMPV6, c.ICMP6_FILTER, icmp6Filter());
    native.setOption(socket, c.SOL_SOCKET, c.SO_BINDTODEVICE, Buffer.from(`${device}\0`));
    native.attachFilter(socket, encodeBpf(KEEP_ALL, BYTE_ORDER));
    return socket;
  } catch (error) {
    native.close(socket);
    throw error;
  }
}

/** icmp(7): a set bit blocks that type. */
function icmpFilter(): Uint8Array {
  return int32(~(1 << ECHO_REPLY[4]));
}

/** RFC 3542 section 3.2, in Linux's sense: a set bit blocks that type; eight 32-bit words. */
function icmp6Filter(): Uint8Array {
  const type = ECHO_REPLY[6];
  return Buffer.concat(Array.from({ length: 8 }, (_, i) => int32(i === type >> 5 ? ~(1 << (type & 31)) : -1)));
}

function setTtl(native: Native, socket: NativeSocket, family: Family, ttl: number): void {
  const { constants: c } = native;
  if (family === 4) native.setOption(socket, c.IPPROTO_IP, c.IP_TTL, int32(ttl));
  else native.setOption(socket, c.IPPROTO_IPV6, c.IPV6_UNICAST_HOPS, int32(ttl));
}

function read(family: Family, packet: Uint8Array, from: Uint8Array): { icmp: Uint8Array; from: string } | undefined {
  if (family === 4) {
    const ip = parseIpv4(packet);
    return ip?.protocol === ICMP ? { icmp: ip.payload, from: ip.source } : undefined;
  }
  const source = decodeSockaddr(from);
  return source && { icmp: packet, from: source.address };
}
