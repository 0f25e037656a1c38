/** The system calls that the addons of all capture packages have, as TypeScript sees them (core's native/ has their C). */

/** A descriptor that the addon owns; close() or the garbage collector ends it. */
export type NativeSocket = { readonly __nativeSocket: true };

/** What a system call throws. */
export interface SystemError extends Error {
  /** 'EPERM' */
  readonly code: string;
  /** Negative, as Node has it. */
  readonly errno: number;
  readonly syscall: string;
}

export function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && typeof (error as { syscall?: unknown }).syscall === 'string';
}

/** Numbers of the system's headers; 0 where it has no such thing. */
export type SharedConstant =
  | 'AF_INET'
  | 'AF_INET6'
  | 'SOCK_RAW'
  | 'SOCK_DGRAM'
  | 'SOCK_STREAM'
  | 'SOL_SOCKET'
  /** Linux. */
  | 'SO_MARK'
  | 'SO_BINDTODEVICE'
  | 'SO_RCVBUF'
  | 'IPPROTO_IP'
  | 'IPPROTO_ICMP'
  | 'IPPROTO_UDP'
  | 'IPPROTO_IPV6'
  | 'IPPROTO_ICMPV6'
  | 'IP_TTL'
  | 'IPV6_RECVPKTINFO'
  | 'IPV6_UNICAST_HOPS'
  | 'IPV6_CHECKSUM'
  | 'ICMP6_FILTER'
  /** 1 where a sockaddr begins with its length (one byte) and the family has one byte; 0 on Linux. */
  | 'SOCKADDR_HAS_LENGTH';

/** `error` alone, or the rest: the packet, a sockaddr, our address (4 or 16 bytes, or none), an interface index (0: unknown). */
export type PacketListener = (
  error: SystemError | undefined,
  packet: Uint8Array,
  from: Uint8Array,
  to: Uint8Array,
  interfaceIndex: number,
) => void;

/** Every call throws a SystemError where its system call fails, and never waits. */
export interface SystemCalls {
  readonly constants: Readonly<Record<SharedConstant, number>>;
  open(domain: number, type: number, protocol: number): NativeSocket;
  setOption(socket: NativeSocket, level: number, name: number, value: Uint8Array): void;
  bind(socket: NativeSocket, address: Uint8Array): void;
  connect(socket: NativeSocket, address: Uint8Array): void;
  /** A sockaddr. */
  localAddress(socket: NativeSocket): Uint8Array;
  /** `to` is a sockaddr; empty for a socket that needs none (PF_ROUTE, connected). */
  send(socket: NativeSocket, packet: Uint8Array, to: Uint8Array): void;
  /** Throws away what lies in the receive buffer; says how many packets. */
  drain(socket: NativeSocket): number;
  /** The next packet, cut to `size` bytes; undefined when there is none now. */
  receive(socket: NativeSocket, size: number): Uint8Array | undefined;
  /** Of the packets with this 16-bit value at one of at most eight offsets at most `perSecond` a second are handed over; before the reading begins. */
  limit(socket: NativeSocket, perSecond: number, value: number, offsets: Uint8Array): void;
  /** Reads in a thread of its own until closed. After an error it stands still until resume(). */
  start(socket: NativeSocket, size: number, listener: PacketListener): void;
  resume(socket: NativeSocket): void;
  /** The descriptor, which belongs to the caller from now on; the socket counts as closed. */
  release(socket: NativeSocket): number;
  /** Ends its reader too; idempotent. */
  close(socket: NativeSocket): void;
  /** 0: no such interface. */
  interfaceIndex(name: string): number;
  /** '': no such interface. */
  interfaceName(index: number): string;
}

/** Reads an overrun netlink socket empty: it drops all that comes, silently, until then, and what lies in it means nothing any more. */
export function drainOverrun(native: Pick<SystemCalls, 'drain'>, socket: NativeSocket): void {
  for (;;) {
    try {
      native.drain(socket);
      return;
    } catch (error) {
      if (!isSystemError(error) || error.code !== 'ENOBUFS') return;
    }
  }
}
