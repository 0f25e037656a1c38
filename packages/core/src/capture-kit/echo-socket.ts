/** The raw ICMP socket for a tunnel device: echo requests out, echo replies in (F30); the system's part is handed in. */
import { type EchoSocket, type EchoSocketOptions, type Family, StunmeshError } from '../api/index.js';
import { isLinkLocal, parseAddress } from '../net/index.js';
import { type CaptureErrors, closedError, lostError } from './errors.js';
import { decodeSockaddr, encodeSockaddr, int32 } from './sockaddr.js';
import type { NativeSocket, PacketListener, SystemCalls } from './system-calls.js';
import { checkTtl, createTtlSetter } from './udp-sender.js';

const BUFFER_BYTES = 65_536;
export const ECHO_REPLY: Readonly<Record<Family, number>> = { 4: 0, 6: 129 };

export interface EchoSystem<Native extends SystemCalls> {
  readonly native: Native;
  readonly errors: CaptureErrors;
  /** Opens the socket and binds it to the device with this index, where the system can. Throws a SystemError. */
  openRaw(options: EchoSocketOptions, index: number): NativeSocket;
  /** Calls back once when the device is gone or cannot be watched any more; returns how to stop. */
  onGone(device: { readonly name: string; readonly index: number }, gone: (error?: unknown) => void): () => void;
  /** Throws where a packet would not leave by the device. */
  checkRoute?(to: string): void;
  /** An IPv4 packet's ICMP message and sender; undefined: it is none. */
  readIpv4(packet: Uint8Array): Arrived | undefined;
}

interface Arrived {
  readonly icmp: Uint8Array;
  readonly from: string;
}

/** Errors: ERR_CAPTURE_PERMISSION, ERR_CAPTURE_OPEN (also when there is no such device). */
export function openEchoSocket<Native extends SystemCalls>(
  system: EchoSystem<Native>,
  options: EchoSocketOptions,
): EchoSocket {
  const { native, errors } = system;
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
      const arrived = family === 4 ? system.readIpv4(packet) : readIpv6(native, packet, from);
      if (arrived?.icmp[0] === ECHO_REPLY[family]) options.onPacket(arrived.icmp, arrived.from);
    }
  };
  try {
    forget = system.onGone({ name: device, index }, lose);
    socket = system.openRaw(options, index);
    native.start(socket, BUFFER_BYTES, onPacket);
  } catch (error) {
    close();
    throw errors.openError(error, what);
  }

  const opened = socket;
  const setTtl = createTtlSetter(native, opened, family);
  return {
    async send(packet, to, { ttl } = {}) {
      if (!open) throw closedError(what);
      if (parseAddress(to)?.length !== (family === 4 ? 4 : 16))
        throw new StunmeshError('ERR_CAPTURE_SEND', `${to} is not an IPv${family} address`);
      checkTtl(ttl);
      try {
        system.checkRoute?.(to);
        setTtl(ttl);
        native.send(opened, packet, encodeSockaddr(native, to, 0, isLinkLocal(to) ? index : 0));
      } catch (error) {
        throw errors.sendError(error, to);
      }
    },
    async [Symbol.asyncDispose]() {
      if (open) close();
    },
  };
}

/** Opens a raw ICMP socket of the family. Errors: SystemError. */
export function openRawIcmp(native: SystemCalls, family: Family): NativeSocket {
  const { constants: c } = native;
  return family === 4
    ? native.open(c.AF_INET, c.SOCK_RAW, c.IPPROTO_ICMP)
    : native.open(c.AF_INET6, c.SOCK_RAW, c.IPPROTO_ICMPV6);
}

/** ICMP6_FILTER that lets echo replies through alone (RFC 3542 section 3.2): eight 32-bit words. On the BSDs a set bit lets a type pass, on Linux it blocks it. */
export function icmp6EchoFilter({ constants }: Pick<SystemCalls, 'constants'>): Uint8Array {
  const type = ECHO_REPLY[6];
  const words = Array.from({ length: 8 }, (_, i) => (i === type >> 5 ? 1 << (type & 31) : 0));
  return Buffer.concat(words.map((word) => int32(constants.SOCKADDR_HAS_LENGTH === 1 ? word : ~word)));
}

/** ICMPv6 sockets hand over the message alone. */
function readIpv6(native: SystemCalls, packet: Uint8Array, from: Uint8Array): Arrived | undefined {
  const source = decodeSockaddr(native, from);
  return source && { icmp: packet, from: source.address };
}
