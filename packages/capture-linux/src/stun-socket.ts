/** The raw UDP socket beside WireGuard's own: sends from its port, sees STUN responses to it. */
import { type Endpoint, type Family, StunmeshError, type StunSocket, type StunSocketOptions } from '@stunmesh/core/api';
import {
  createStunFilter,
  createStunTest,
  DROP_ALL,
  encodeBpf,
  encodeUdp,
  formatAddress,
  formatEndpoint,
  isLinkLocal,
  PACKET_LAYOUTS,
  parseIpv4,
  parseUdp,
  readPrefix,
  type StunMatch,
  udpChecksum,
} from '@stunmesh/core/net';
import { closedError, lostError, openError, sendError } from './errors.js';
import type { Native, NativeSocket, PacketListener } from './native.js';
import { sourceFor } from './route.js';
import { BYTE_ORDER, decodeSockaddr, encodeSockaddr, int32 } from './sockaddr.js';

const UDP = 17;
/** The largest IP packet. */
const BUFFER_BYTES = 65_536;

/** Errors: ERR_CAPTURE_PERMISSION, ERR_CAPTURE_OPEN, the signal's reason. */
export function openStunSocket(native: Native, options: StunSocketOptions): StunSocket {
  const { family, localPort, signal } = options;
  signal.throwIfAborted();
  const what = `the IPv${family} STUN socket of port ${localPort}`;
  let open = true;
  let socket: NativeSocket | undefined;
  const match = matchOf(options);
  const test = createStunTest(match);
  const close = () => {
    open = false;
    signal.removeEventListener('abort', close);
    if (socket) native.close(socket);
  };
  const onPacket: PacketListener = (error, packet, from, to, interfaceIndex) => {
    if (!open) return;
    if (error) {
      close();
      options.onFault(lostError(what, error));
      return;
    }
    const arrived = family === 4 ? readIpv4(packet) : readIpv6(native, packet, from, to);
    // What the filter tested, once more (F4).
    if (!arrived || !test(arrived.message, arrived.from.port, arrived.to.port)) return;
    const name = interfaceIndex === 0 ? '' : native.interfaceName(interfaceIndex);
    if (name === '') options.onMessage(arrived);
    else if (name !== options.excludeDevice && options.interfaces?.includes(name) !== false)
      options.onMessage({ ...arrived, interface: name });
  };
  try {
    socket = openRaw(native, options, match);
    native.start(socket, BUFFER_BYTES, onPacket);
  } catch (error) {
    close();
    throw openError(error, what);
  }
  signal.addEventListener('abort', close, { once: true });

  return {
    async send(message, to) {
      if (!open || !socket) throw closedError(what);
      if (to.family !== family)
        throw new StunmeshError('ERR_CAPTURE_SEND', `${formatEndpoint(to)} is not for ${what}: another family`);
      try {
        const datagram = encodeUdp({ sourcePort: localPort, destinationPort: to.port, checksum: 0, payload: message });
        if (family === 4) fillChecksum(datagram, sourceFor(native, to, options.firewallMark), to.address);
        native.send(socket, datagram, encodeSockaddr(to.address, 0, scopeOf(native, to)));
      } catch (error) {
        throw sendError(error, formatEndpoint(to));
      }
    },
    async [Symbol.asyncDispose]() {
      if (open) close();
    },
  };
}

function matchOf({ localPort, transactionPrefix }: StunSocketOptions): StunMatch {
  return { localPort, ...(transactionPrefix && { prefixes: [readPrefix(transactionPrefix)] }) };
}

function openRaw(native: Native, { family, firewallMark }: StunSocketOptions, match: StunMatch): NativeSocket {
  const { constants: c } = native;
  const socket = native.open(family === 4 ? c.AF_INET : c.AF_INET6, c.SOCK_RAW, c.IPPROTO_UDP);
  try {
    // The socket hears every UDP packet from its birth on: close the door, empty the room, then open it to STUN (F4).
    native.attachFilter(socket, encodeBpf(DROP_ALL, BYTE_ORDER));
    native.drain(socket);
    if (firewallMark !== 0) native.setOption(socket, c.SOL_SOCKET, c.SO_MARK, int32(firewallMark));
    if (family === 4) native.setOption(socket, c.IPPROTO_IP, c.IP_PKTINFO, int32(1));
    else {
      native.setOption(socket, c.IPPROTO_IPV6, c.IPV6_RECVPKTINFO, int32(1));
      native.setOption(socket, c.IPPROTO_IPV6, c.IPV6_CHECKSUM, int32(6));
    }
    const layout = PACKET_LAYOUTS[family === 4 ? 'linux-raw4' : 'linux-raw6'];
    native.attachFilter(socket, encodeBpf(createStunFilter(layout, match), BYTE_ORDER));
    return socket;
  } catch (error) {
    native.close(socket);
    throw error;
  }
}

/** The interface index of a zone; 0: the address has none. */
function scopeOf(native: Native, { address, zone }: Endpoint): number {
  if (zone === undefined) return 0;
  const index = native.interfaceIndex(zone);
  if (index !== 0) return index;
  throw new StunmeshError('ERR_CAPTURE_UNREACHABLE', `there is no interface ${zone} to send to ${address} by`);
}

/** The IPv4 checksum covers the source address, which the kernel chooses by route and mark: ask it, each time afresh (F6, F6b). */
function fillChecksum(datagram: Uint8Array, source: string, destination: string): void {
  new DataView(datagram.buffer).setUint16(6, udpChecksum(datagram, source, destination));
}

interface Arrived {
  readonly message: Uint8Array;
  readonly from: Endpoint;
  readonly to: Endpoint;
}

function readIpv4(packet: Uint8Array): Arrived | undefined {
  const ip = parseIpv4(packet);
  const udp = ip?.protocol === UDP ? parseUdp(ip.payload) : undefined;
  return (
    ip &&
    udp && {
      message: udp.payload,
      from: endpoint(4, ip.source, udp.sourcePort),
      to: endpoint(4, ip.destination, udp.destinationPort),
    }
  );
}

function readIpv6(native: Native, packet: Uint8Array, from: Uint8Array, to: Uint8Array): Arrived | undefined {
  const udp = parseUdp(packet);
  const source = decodeSockaddr(from);
  if (!udp || !source) return undefined;
  const zone = isLinkLocal(source.address) ? native.interfaceName(source.scope) : '';
  return {
    message: udp.payload,
    from: { ...endpoint(6, source.address, udp.sourcePort), ...(zone !== '' && { zone }) },
    to: endpoint(6, to.length === 16 ? formatAddress(to) : '::', udp.destinationPort),
  };
}

function endpoint(family: Family, address: string, port: number): Endpoint {
  return { family, address, port };
}
