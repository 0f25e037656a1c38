/** Changes of links, addresses and routes as the kernel tells them, by one socket for all who listen. */
import type { NetworkEvent, StunmeshError } from '@stunmesh/core/api';
import { drainOverrun, int32, lostError, type NativeSocket, type SystemError } from '@stunmesh/core/capture-kit';
import { errors } from './errors.js';
import type { Native } from './native.js';
import { linkState, NETLINK, parseNetlinkMessages } from './netlink-messages.js';
import { parseRouteMessages, type RouteMessage } from './route-messages.js';

const BUFFER_BYTES = 65_536;
const RECEIVE_BUFFER_BYTES = 1 << 18;

export interface RouteListener {
  event(event: NetworkEvent): void;
  /** Nothing more will be told. */
  fault(error: SystemError): void;
}

export interface RouteMonitor {
  /** Returns how to stop; the socket is open while somebody listens. Errors: ERR_CAPTURE_OPEN. */
  listen(listener: RouteListener): () => void;
  /** The same for a capture module's users, until disposed. Errors: ERR_CAPTURE_OPEN. */
  watch(on: { onChange(event: NetworkEvent): void; onFault(error: StunmeshError): void }): AsyncDisposable;
}

export function createRouteMonitor(native: Native): RouteMonitor {
  const listeners = new Set<RouteListener>();
  const links = new Map<number, string>();
  const byNetlink = native.constants.AF_ROUTE === 0;
  const [parse, openSocket] = byNetlink ? [parseNetlinkMessages, openNetlink] : [parseRouteMessages, openRoute];
  let socket: NativeSocket | undefined;

  const tell = (event: NetworkEvent) => {
    for (const listener of [...listeners]) if (listeners.has(listener)) listener.event(event);
  };
  const close = () => {
    if (socket) native.close(socket);
    socket = undefined;
    links.clear();
  };
  const take = (message: RouteMessage) => {
    const { kind, index, state } = message;
    if (kind === 'link' && state === undefined) links.delete(index);
    else if (state !== undefined) {
      // Links speak of much that moves no packet another way, such as a capture that begins.
      if (links.get(index) === state) return;
      links.set(index, state);
    }
    const name = message.name ?? (index === 0 ? '' : native.interfaceName(index));
    tell(name === '' ? { kind } : { kind, interface: name });
  };
  const onPacket = (error: SystemError | undefined, packet: Uint8Array) => {
    if (!socket) return;
    if (error?.code === 'ENOBUFS') {
      drainOverrun(native, socket);
      native.resume(socket);
      links.clear();
      for (const kind of ['link', 'address', 'route'] as const) tell({ kind });
    } else if (error) {
      close();
      const all = [...listeners];
      listeners.clear();
      for (const listener of all) listener.fault(error);
    } else for (const message of parse(packet)) take(message);
  };
  const open = () => {
    let fresh: NativeSocket | undefined;
    try {
      fresh = openSocket(native);
      // Here libpcap captures, which the kernel tells as a change of the link.
      if (byNetlink) for (const { index, flags } of native.listInterfaces()) links.set(index, linkState(flags));
      native.start(fresh, BUFFER_BYTES, onPacket);
      socket = fresh;
    } catch (error) {
      if (fresh) native.close(fresh);
      throw errors.openError(error, 'the socket for news of the network');
    }
  };

  const listen = (listener: RouteListener): (() => void) => {
    if (!socket) open();
    listeners.add(listener);
    return () => {
      if (listeners.delete(listener) && listeners.size === 0) close();
    };
  };
  return {
    listen,
    watch(on) {
      const unsubscribe = listen({
        event: (event) => on.onChange(event),
        fault: (error) => on.onFault(lostError('the watch over the network', error)),
      });
      return {
        async [Symbol.asyncDispose]() {
          unsubscribe();
        },
      };
    },
  };
}

function openRoute(native: Native): NativeSocket {
  const { constants: c } = native;
  return native.open(c.AF_ROUTE, c.SOCK_RAW, 0);
}

function openNetlink(native: Native): NativeSocket {
  const { constants: c } = native;
  const socket = native.open(NETLINK.family, c.SOCK_RAW, NETLINK.protocol);
  try {
    native.setOption(socket, c.SOL_SOCKET, c.SO_RCVBUF, int32(RECEIVE_BUFFER_BYTES));
    native.bind(socket, NETLINK.address);
    return socket;
  } catch (error) {
    native.close(socket);
    throw error;
  }
}
