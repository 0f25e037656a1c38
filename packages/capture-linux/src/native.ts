/** The one file that loads native code: system calls on sockets, as stunmesh_capture.node has them. */
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { StunmeshError } from '@stunmesh/core/api';

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

type Constant =
  | 'AF_INET'
  | 'AF_INET6'
  | 'AF_NETLINK'
  | 'SOCK_RAW'
  | 'SOCK_DGRAM'
  | 'SOCK_STREAM'
  | 'SOL_SOCKET'
  | 'SO_MARK'
  | 'SO_BINDTODEVICE'
  | 'SO_RCVBUF'
  | 'IPPROTO_IP'
  | 'IPPROTO_ICMP'
  | 'IPPROTO_UDP'
  | 'IPPROTO_IPV6'
  | 'IPPROTO_ICMPV6'
  | 'IP_PKTINFO'
  | 'IP_TTL'
  | 'IPV6_RECVPKTINFO'
  | 'IPV6_UNICAST_HOPS'
  | 'IPV6_CHECKSUM'
  | 'SOL_RAW'
  | 'ICMP_FILTER'
  | 'ICMP6_FILTER'
  | 'NETLINK_ROUTE';

/** `error` alone, or the rest: the packet, a sockaddr, our address (4 or 16 bytes, or none), an interface index (0: unknown). */
export type PacketListener = (
  error: SystemError | undefined,
  packet: Uint8Array,
  from: Uint8Array,
  to: Uint8Array,
  interfaceIndex: number,
) => void;

/** Every call throws a SystemError where its system call fails, and never waits. */
export interface Native {
  readonly constants: Readonly<Record<Constant, number>>;
  open(domain: number, type: number, protocol: number): NativeSocket;
  setOption(socket: NativeSocket, level: number, name: number, value: Uint8Array): void;
  attachFilter(socket: NativeSocket, program: Uint8Array): void;
  bind(socket: NativeSocket, address: Uint8Array): void;
  connect(socket: NativeSocket, address: Uint8Array): void;
  /** A sockaddr. */
  localAddress(socket: NativeSocket): Uint8Array;
  send(socket: NativeSocket, packet: Uint8Array, to: Uint8Array): void;
  /** Throws away what lies in the receive buffer; says how many packets. */
  drain(socket: NativeSocket): number;
  /** The next packet, cut to `size` bytes; undefined when there is none now. */
  receive(socket: NativeSocket, size: number): Uint8Array | undefined;
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

const PACKAGE_FOLDER = fileURLToPath(new URL('..', import.meta.url));

/** Loads the addon from `path`, or where node-gyp-build finds it (a prebuild, or what was built here).
 * `remedy` is a sentence for its error, where building it is none. Errors: ERR_CAPTURE_ADDON. */
export function loadNative(path?: string, remedy?: string): Native {
  const require = createRequire(import.meta.url);
  try {
    const file = path ?? (require('node-gyp-build') as { resolve(folder: string): string }).resolve(PACKAGE_FOLDER);
    return require(file) as Native;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new StunmeshError(
      'ERR_CAPTURE_ADDON',
      `the addon of @stunmesh/capture-linux cannot be loaded (${reason}). ${remedy ?? buildRemedy(require)}`,
      { cause },
    );
  }
}

function buildRemedy(require: NodeJS.Require): string {
  return `With a C compiler installed, build it by "node ${PACKAGE_FOLDER}native/build.mjs --strict", which runs: ${buildLine(require)}`;
}

/** The one cc line, as build.mjs runs it. */
function buildLine(require: NodeJS.Require): string {
  const beside = (name: string, folder: string) => {
    try {
      return path.join(path.dirname(require.resolve(name)), folder);
    } catch {
      return path.join(path.dirname(path.dirname(process.execPath)), 'include', 'node');
    }
  };
  const headers = [beside('node-api-headers', 'include'), beside('@stunmesh/core/package.json', 'native')];
  const source = path.join(PACKAGE_FOLDER, 'native', 'capture.c');
  const target = path.join(PACKAGE_FOLDER, 'build', 'Release', 'stunmesh_capture.node');
  return `cc -O2 -shared -fPIC -pthread -fvisibility=hidden ${headers.map((h) => `-I ${h}`).join(' ')} ${source} -o ${target}`;
}

export function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && typeof (error as { syscall?: unknown }).syscall === 'string';
}
