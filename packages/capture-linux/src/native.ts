/** The one file that loads native code: system calls on sockets, as stunmesh_capture.node has them. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { loadAddon, type NativeSocket, type SharedConstant, type SystemCalls } from '@stunmesh/core/capture-kit';

type Constant =
  | SharedConstant
  | 'AF_NETLINK'
  | 'IP_PKTINFO'
  | 'IP_MTU_DISCOVER'
  | 'IPV6_MTU_DISCOVER'
  | 'IP_PMTUDISC_PROBE'
  | 'SOL_RAW'
  | 'ICMP_FILTER'
  | 'NETLINK_ROUTE';

/** Every call throws a SystemError where its system call fails, and never waits. */
export interface Native extends SystemCalls {
  readonly constants: Readonly<Record<Constant, number>>;
  /** Takes effect at once; what has arrived stays. */
  attachFilter(socket: NativeSocket, program: Uint8Array): void;
}

const PACKAGE_FOLDER = fileURLToPath(new URL('..', import.meta.url));

/** Loads the addon from `path`, or where node-gyp-build finds it (a prebuild, or what was built here).
 * `remedy` is a sentence for its error, where building it is none. Errors: ERR_CAPTURE_ADDON. */
export function loadNative(path?: string, remedy?: string): Native {
  const require = createRequire(import.meta.url);
  return loadAddon<Native>({
    packageName: '@stunmesh/capture-linux',
    folder: PACKAGE_FOLDER,
    fileName: 'stunmesh_capture.node',
    remedy,
    load: () =>
      require(path ?? (require('node-gyp-build') as { resolve(folder: string): string }).resolve(PACKAGE_FOLDER)),
    resolve: (specifier) => require.resolve(specifier),
  });
}
