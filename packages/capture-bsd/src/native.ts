/** The one file that loads native code: sockets and /dev/bpf, as stunmesh_capture_bsd.node has them. */
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { StunmeshError } from '@stunmesh/core/api';

/** A descriptor that the addon owns; close() or the garbage collector ends it. */
export type NativeSocket = { readonly __nativeSocket: true };

/** An open /dev/bpf. */
export type NativeBpf = NativeSocket & { readonly __nativeBpf: true };

/** What a system call throws. */
export interface SystemError extends Error {
  /** 'EPERM' */
  readonly code: string;
  /** Negative, as Node has it. */
  readonly errno: number;
  readonly syscall: string;
}

/** Numbers of this system's headers; 0 where it has no such thing. */
type Constant =
  | 'AF_INET'
  | 'AF_INET6'
  /** 0 on Linux. */
  | 'AF_ROUTE'
  | 'PF_ROUTE'
  | 'SOCK_RAW'
  | 'SOCK_DGRAM'
  | 'SOL_SOCKET'
  | 'SO_RCVBUF'
  /** FreeBSD: the routing table (FIB) of a socket, an int. */
  | 'SO_SETFIB'
  /** FreeBSD: what if_wg's fwmark becomes, a 32-bit number that ipfw and pf can match. */
  | 'SO_USER_COOKIE'
  /** Linux. */
  | 'SO_BINDTODEVICE'
  | 'SO_MARK'
  | 'IPPROTO_IP'
  | 'IPPROTO_ICMP'
  | 'IPPROTO_UDP'
  | 'IPPROTO_IPV6'
  | 'IPPROTO_ICMPV6'
  | 'IP_TTL'
  /** macOS: an interface index; in and out by this interface alone. */
  | 'IP_BOUND_IF'
  | 'IPV6_BOUND_IF'
  | 'IPV6_UNICAST_HOPS'
  | 'IPV6_CHECKSUM'
  | 'IPV6_RECVPKTINFO'
  | 'ICMP6_FILTER'
  | 'IFF_UP'
  | 'IFF_LOOPBACK'
  | 'IFF_POINTOPOINT'
  | 'IFF_RUNNING'
  /** 1 where a sockaddr begins with its length (one byte) and the family has one byte; 0 on Linux. */
  | 'SOCKADDR_HAS_LENGTH';

/** An interface as getifaddrs(3) has it. */
export interface NativeInterface {
  readonly name: string;
  readonly index: number;
  /** IFF_* */
  readonly flags: number;
  /** net/if_types.h on BSD (IFT_ETHER 6, IFT_PPP 23, IFT_LOOP 24), ARPHRD_* on Linux; 0: not said. */
  readonly type: number;
  /** FreeBSD's interface groups: a cloned interface is in that of its kind (wg, tun, epair, vlan), also when renamed; empty elsewhere. */
  readonly groups: readonly string[];
  /** sockaddr_in and sockaddr_in6. */
  readonly addresses: readonly Uint8Array[];
}

/** `error` alone, or the rest: the packet, a sockaddr, our address (4 or 16 bytes, or none), an interface index (0: unknown). */
export type PacketListener = (
  error: SystemError | undefined,
  packet: Uint8Array,
  from: Uint8Array,
  to: Uint8Array,
  interfaceIndex: number,
) => void;

/** `error` alone, or a frame from its link header on, and how long it was on the wire (more than its length: the filter cut it). */
export type FrameListener = (error: SystemError | undefined, frame: Uint8Array, wireLength: number) => void;

/** Every call throws a SystemError where its system call fails, and never waits. */
export interface Native {
  readonly constants: Readonly<Record<Constant, number>>;
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
  /** Reads in a thread of its own until closed. After an error it stands still until resume(). */
  start(socket: NativeSocket, size: number, listener: PacketListener): void;
  /** Reads on after an error; nothing on a bpf device whose interface is gone (ENXIO): that one can only be closed. */
  resume(socket: NativeSocket): void;
  /** Ends its reader too; idempotent. */
  close(socket: NativeSocket): void;
  /** 0: no such interface. */
  interfaceIndex(name: string): number;
  /** '': no such interface. */
  interfaceName(index: number): string;
  /** All of them, whatever their state. */
  listInterfaces(): readonly NativeInterface[];

  /**
   * The cloning /dev/bpf, or the first numbered one that is free. Only reading.
   * Errors (syscall 'open'): EACCES; EBUSY (all are taken); ENOENT (there is none); ENODEV on systems without bpf(4).
   */
  openBpf(): NativeBpf;
  /** BIOCSBLEN; the size that the kernel chose. Errors: EINVAL once an interface or a filter is there. */
  setBpfBuffer(bpf: NativeBpf, bytes: number): number;
  /** BIOCIMMEDIATE: a frame can be read as soon as it came, not when the buffer is full. */
  setBpfImmediate(bpf: NativeBpf): void;
  /** BIOCSETF, a program of 8-byte instructions as encodeBpf() writes them; also throws away what was captured. Errors: EINVAL. */
  setBpfFilter(bpf: NativeBpf, program: Uint8Array): void;
  /** BIOCSETIF; throws away what was captured. Errors: ENXIO (no such interface), ENETDOWN. */
  attachBpf(bpf: NativeBpf, interfaceName: string): void;
  /** Frames that this host sends are not seen: BIOCSDIRECTION in (FreeBSD), BIOCSSEESENT 0 (macOS). */
  setBpfIncoming(bpf: NativeBpf): void;
  /** BIOCGDLT: the DLT_ number of the attached interface. Errors: EINVAL before attachBpf(). */
  bpfDataLink(bpf: NativeBpf): number;
  /** BIOCGSTATS: frames that the filter was asked about, and those lost because the buffer was full. */
  bpfStatistics(bpf: NativeBpf): { readonly received: number; readonly dropped: number };
  /** As start(), for frames. ENXIO: the interface is gone; close. ENETDOWN: it is down; resume() or close. */
  startFrames(bpf: NativeBpf, listener: FrameListener): void;
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
      `the addon of @stunmesh/capture-bsd cannot be loaded (${reason}). ${remedy ?? buildRemedy(require)}`,
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
  const target = path.join(PACKAGE_FOLDER, 'build', 'Release', 'stunmesh_capture_bsd.node');
  const undefinedNow = process.platform === 'darwin' ? ' -Wl,-undefined,dynamic_lookup' : '';
  return `cc -O2 -shared -fPIC -pthread -fvisibility=hidden${undefinedNow} ${headers.map((h) => `-I ${h}`).join(' ')} ${source} -o ${target}`;
}

export function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && typeof (error as { syscall?: unknown }).syscall === 'string';
}
