/** The capture module for Linux: raw sockets beside WireGuard's own, ICMP echoes bound to a device, news and the kernel's WireGuard by netlink. */
import type { CaptureModule } from '@stunmesh/core/api';
import { connectTcp, int32, openDatagramSocket, openDatagrams, type SocketSystem } from '@stunmesh/core/capture-kit';
import { createDeviceWatch, type DeviceWatch } from './device-watch.js';
import { openEchoSocket } from './echo-socket.js';
import { errors } from './errors.js';
import { listInterfaces } from './interfaces.js';
import { loadNative, type Native } from './native.js';
import { createPacketFilter } from './nft/packet-filter.js';
import { routeTo } from './route.js';
import { openStunSocket } from './stun-socket.js';
import { watchNetwork } from './watch.js';
import { createKernelWireGuard } from './wireguard/kernel-wireguard.js';

export interface CaptureLinuxOptions {
  /** stunmesh_capture.node, where a bundle keeps it. */
  readonly addonPath?: string;
  /** A sentence for the error where the addon does not load; default: how to build it. */
  readonly addonRemedy?: string;
}

/** The module; its addon is loaded at the first use. */
export function createCapture(options: CaptureLinuxOptions = {}): CaptureModule {
  let loaded: { readonly native: Native; readonly devices: DeviceWatch } | undefined;
  const parts = () => {
    if (!loaded) {
      const native = loadNative(options.addonPath, options.addonRemedy);
      loaded = { native, devices: createDeviceWatch(native) };
    }
    return loaded;
  };
  /** Other traffic with the mark of WireGuard's packets. */
  const marked = (firewallMark: number): SocketSystem => {
    const { native } = parts();
    const { constants: c } = native;
    return {
      native,
      errors,
      prepare(socket) {
        if (firewallMark !== 0) native.setOption(socket, c.SOL_SOCKET, c.SO_MARK, int32(firewallMark));
      },
    };
  };
  return {
    kind: 'capture',
    apiVersion: 1,
    name: 'linux',
    platforms: ['linux'],
    openStunSocket: async (o) => openStunSocket(parts().native, o),
    openEchoSocket: async (o) => openEchoSocket(parts().native, parts().devices, o),
    listInterfaces: async () => listInterfaces(parts().native),
    routeTo: async (o) => routeTo(parts().native, o),
    connectTcp: async (o) => connectTcp(marked(o.firewallMark), o),
    openDatagramSocket: async (o) => openDatagramSocket(marked(o.firewallMark), o),
    openDatagrams: async (o) => openDatagrams(marked(o.firewallMark), o),
    ...createPacketFilter(() => parts().native),
    watchNetwork: async (o) => watchNetwork(parts().native, o),
    wireguard: createKernelWireGuard(() => parts().native),
  };
}

export default createCapture();
