/** The capture module for FreeBSD and macOS; on Linux it captures by libpcap, for tests and for odd link types. */
import { type CaptureModule, hasCode, isStunmeshError, StunmeshError } from '@stunmesh/core/api';
import { connectTcp, openDatagramSocket, openDatagrams, type SocketSystem } from '@stunmesh/core/capture-kit';
import { openBpfSource, UnknownLinkTypeError } from './bpf-source.js';
import { openCapSource } from './cap-source.js';
import { openEchoSocket } from './echo-socket.js';
import { errors } from './errors.js';
import type { OpenFrameSource } from './frame-source.js';
import { listInterfaces } from './interfaces.js';
import { loadNative, type Native } from './native.js';
import { applyRoutingKey, type RoutingKey, routeTo } from './route.js';
import { gatewayTo } from './route-gateway.js';
import { createRouteMonitor } from './route-monitor.js';
import { createSharedSources } from './shared-sources.js';
import type { StunReceiverParts } from './stun-receiver.js';
import { openStunSocket } from './stun-socket.js';

export interface CaptureBsdOptions {
  /** stunmesh_capture_bsd.node, where a bundle keeps it. */
  readonly addonPath?: string;
  /** A sentence for the error where the addon does not load; default: how to build it. */
  readonly addonRemedy?: string;
  /** cap-child.js, where a bundle keeps it. */
  readonly capChildPath?: string;
  /** How interfaces are read: 'bpf' (/dev/bpf; libpcap where the link type is unknown) or 'cap' (libpcap alone). Default: 'cap' on Linux. */
  readonly reader?: 'bpf' | 'cap';
}

/** The module; its addon is loaded at the first use. */
export function createCapture(options: CaptureBsdOptions = {}): CaptureModule {
  const { reader = process.platform === 'linux' ? 'cap' : 'bpf' } = options;
  let loaded: StunReceiverParts | undefined;
  const parts = (): StunReceiverParts => {
    if (!loaded) {
      const native = loadNative(options.addonPath, options.addonRemedy);
      const openSource = createSharedSources(createOpener(native, reader, options.capChildPath));
      loaded = { native, monitor: createRouteMonitor(native), openSource, oneProcessPerSource: reader === 'cap' };
    }
    return loaded;
  };
  /** Other traffic with the routing table of WireGuard's packets. */
  const underlay = (key: RoutingKey): SocketSystem => {
    const { native } = parts();
    return { native, errors, prepare: (socket) => applyRoutingKey(native, socket, key) };
  };
  return {
    kind: 'capture',
    apiVersion: 1,
    name: 'bsd',
    platforms: ['freebsd', 'darwin', 'linux'],
    capturesBeforeFirewall: true,
    openStunSocket: async (o) => openStunSocket(parts(), o),
    openEchoSocket: async (o) => openEchoSocket(parts().native, parts().monitor, o),
    listInterfaces: async () =>
      listInterfaces(parts().native).map(({ name, index, up, loopback, addresses }) => ({
        name,
        index,
        up,
        loopback,
        addresses,
      })),
    async routeTo(o) {
      const { native } = parts();
      const route = routeTo(native, o);
      const gateway = route && (await gatewayTo(native, o.to, o));
      return route && { ...route, ...(gateway !== undefined && { gateway }) };
    },
    connectTcp: async (o) => connectTcp(underlay(o), o),
    openDatagramSocket: async (o) => openDatagramSocket(underlay(o), o),
    openDatagrams: async (o) => openDatagrams(underlay(o), o),
    watchNetwork: async (o) => parts().monitor.watch(o),
  };
}

/** How interfaces are opened; exported for its test. */
export function createOpener(native: Native, reader: 'bpf' | 'cap', capChildPath: string | undefined): OpenFrameSource {
  const byCap: OpenFrameSource = (interfaceName, match, listener, signal) =>
    openCapSource({
      interfaceName,
      match,
      listener,
      signal,
      ...(capChildPath !== undefined && { childPath: capChildPath }),
    });
  if (reader === 'cap') return byCap;
  // What is missing now is missing at the next discovery too, and asking costs a process.
  let capMissing: string | undefined;
  return async (interfaceName, match, listener, signal) => {
    try {
      return openBpfSource(native, interfaceName, match, listener);
    } catch (error) {
      if (!(error instanceof UnknownLinkTypeError)) throw error;
      if (capMissing !== undefined) throw unknownLinkType(interfaceName, error, capMissing);
      return byCap(interfaceName, match, listener, signal).catch((why: unknown) => {
        if (!isStunmeshError(why) || !hasCode(why, 'ERR_CAPTURE_ADDON')) throw why;
        capMissing = why.message;
        throw unknownLinkType(interfaceName, error, why.message);
      });
    }
  };
}

function unknownLinkType(interfaceName: string, error: UnknownLinkTypeError, capMissing: string): StunmeshError {
  return new StunmeshError(
    'ERR_CAPTURE_OPEN',
    `${interfaceName} is not listened to: ${error.message}, and libpcap, which may understand them, is not there either ` +
      `(${capMissing}); if no way out leads by it, leave it out by listen_interfaces`,
    { details: { interface: interfaceName, dataLink: error.dataLink } },
  );
}

export default createCapture();
