/** The raw UDP socket beside WireGuard's own: sends from its port, sees STUN messages to it. */
import type { Endpoint, Family, StunSocket, StunSocketOptions } from '@stunmesh/core/api';
import {
  BYTE_ORDER,
  closedError,
  createUdpSender,
  decodeSockaddr,
  int32,
  lostError,
  type NativeSocket,
  openRawUdp,
  type PacketListener,
} from '@stunmesh/core/capture-kit';
import {
  createStunFilter,
  createStunMatch,
  createStunTest,
  DROP_ALL,
  encodeBpf,
  formatAddress,
  isLinkLocal,
  limitRequests,
  PACKET_LAYOUTS,
  parseIpv4,
  parseUdp,
  type StunMatch,
} from '@stunmesh/core/net';
import { errors } from './errors.js';
import type { Native } from './native.js';
import { sourceFor } from './route.js';

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
  const match = createStunMatch(options, options.requests);
  let test = createStunTest(match);
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
    throw errors.openError(error, what);
  }
  signal.addEventListener('abort', close, { once: true });

  const opened = socket;
  const send = createUdpSender({
    native,
    socket: opened,
    family,
    localPort,
    what,
    isOpen: () => open,
    sourceFor: (to) => sourceFor(native, to, options.firewallMark),
    sendError: (error, to) => errors.sendError(error, to),
  });
  return {
    send: async (message, to, how) => send(message, to, how),
    async passRequests(requests) {
      if (!open) throw closedError(what);
      const next = createStunMatch(options, requests);
      try {
        attach(native, opened, family, next);
      } catch (error) {
        throw errors.openError(error, what);
      }
      test = createStunTest(next);
    },
    async [Symbol.asyncDispose]() {
      if (open) close();
    },
  };
}

const layoutOf = (family: Family) => PACKET_LAYOUTS[family === 4 ? 'linux-raw4' : 'linux-raw6'];

function attach(native: Native, socket: NativeSocket, family: Family, match: StunMatch): void {
  native.attachFilter(socket, encodeBpf(createStunFilter(layoutOf(family), match), BYTE_ORDER));
}

function openRaw(native: Native, { family, firewallMark }: StunSocketOptions, match: StunMatch): NativeSocket {
  const { constants: c } = native;
  const socket = openRawUdp(native, family);
  try {
    // The socket hears every UDP packet from its birth on: close the door, empty the room, then open it to STUN (F4).
    native.attachFilter(socket, encodeBpf(DROP_ALL, BYTE_ORDER));
    native.drain(socket);
    if (firewallMark !== 0) native.setOption(socket, c.SOL_SOCKET, c.SO_MARK, int32(firewallMark));
    if (family === 4) native.setOption(socket, c.IPPROTO_IP, c.IP_PKTINFO, int32(1));
    else native.setOption(socket, c.IPPROTO_IPV6, c.IPV6_RECVPKTINFO, int32(1));
    const { perSecond, type, offsets } = limitRequests(layoutOf(family));
    native.limit(socket, perSecond, type, offsets);
    attach(native, socket, family, match);
    return socket;
  } catch (error) {
    native.close(socket);
    throw error;
  }
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
  const source = decodeSockaddr(native, from);
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
