/** The one file that loads native code: sockets and /dev/bpf, as stunmesh_capture_bsd.node has them. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import {
  loadAddon,
  type NativeSocket,
  type SharedConstant,
  type SystemCalls,
  type SystemError,
} from '@stunmesh/core/capture-kit';

/** An open /dev/bpf. */
export type NativeBpf = NativeSocket & { readonly __nativeBpf: true };

/** Numbers of this system's headers; 0 where it has no such thing. */
type Constant =
  | SharedConstant
  /** 0 on Linux. */
  | 'AF_ROUTE'
  | 'PF_ROUTE'
  /** FreeBSD: the routing table (FIB) of a socket, an int. */
  | 'SO_SETFIB'
  /** FreeBSD: what if_wg's fwmark becomes, a 32-bit number that ipfw and pf can match. */
  | 'SO_USER_COOKIE'
  /** 0 on Linux. */
  | 'IP_DONTFRAG'
  | 'IPV6_DONTFRAG'
  /** macOS: an interface index; in and out by this interface alone. */
  | 'IP_BOUND_IF'
  | 'IPV6_BOUND_IF'
  | 'IFF_UP'
  | 'IFF_LOOPBACK'
  | 'IFF_POINTOPOINT'
  | 'IFF_RUNNING';

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

/** `error` alone, or a frame from its link header on, and how long it was on the wire (more than its length: the filter cut it). */
export type FrameListener = (error: SystemError | undefined, frame: Uint8Array, wireLength: number) => void;

/** Every call throws a SystemError where its system call fails, and never waits. resume() does nothing on a bpf device whose interface
 * is gone (ENXIO): that one can only be closed. */
export interface Native extends SystemCalls {
  readonly constants: Readonly<Record<Constant, number>>;
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
  /** BIOCSETFNR: as setBpfFilter, but what was captured stays. */
  replaceBpfFilter(bpf: NativeBpf, program: Uint8Array): void;
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
  return loadAddon<Native>({
    packageName: '@stunmesh/capture-bsd',
    folder: PACKAGE_FOLDER,
    fileName: 'stunmesh_capture_bsd.node',
    remedy,
    load: () =>
      require(path ?? (require('node-gyp-build') as { resolve(folder: string): string }).resolve(PACKAGE_FOLDER)),
    resolve: (specifier) => require.resolve(specifier),
  });
}
