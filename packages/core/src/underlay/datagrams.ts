/** UDP sockets of stores: each datagram takes the way that gets past a tunnel which takes over the default way, where there is one now. */
import { type CaptureModule, type Datagrams, hasCode, type OpenDatagrams, StunmeshError } from '../api/index.js';
import { markTo, mayBeInside, type TunnelDevice } from './full-tunnel.js';

/** A port is a socket without a mark, and one with it as long as some destination needs it; both are opened by the first datagram. */
export function createDatagramsOpener(
  open: NonNullable<CaptureModule['openDatagrams']>,
  devices: () => Iterable<TunnelDevice>,
): OpenDatagrams {
  return async ({ family, onMessage, onFault }) => {
    /** By mark. */
    const sockets = new Map<number, Promise<Datagrams>>();
    let closed = false;

    const close = async (mark: number): Promise<void> => {
      const socket = sockets.get(mark);
      sockets.delete(mark);
      await (await socket?.catch(() => undefined))?.[Symbol.asyncDispose]();
    };
    const socketWith = (firewallMark: number): Promise<Datagrams> => {
      const known = sockets.get(firewallMark);
      if (known) return known;
      // A mark that was in force before is of no use any more.
      for (const mark of sockets.keys()) if (mark !== 0 && firewallMark !== 0) void close(mark);
      const opened = open({
        family,
        firewallMark,
        onMessage,
        onFault(error) {
          // What one datagram met on its way is no fault of the socket.
          if (!hasCode(error, 'ERR_CAPTURE_LOST')) return;
          void close(firewallMark);
          onFault(error);
        },
      });
      sockets.set(firewallMark, opened);
      opened.catch(() => sockets.delete(firewallMark));
      return opened;
    };

    return {
      async send(message, to) {
        if (closed) throw new StunmeshError('ERR_CLOSED', 'the UDP socket is closed');
        const mark = markTo(to.address, devices());
        await (await socketWith(mark)).send(message, to);
        // It may as well be a host inside the tunnel; one of the two ways leads nowhere.
        if (mark !== 0 && mayBeInside(to.address)) await (await socketWith(0)).send(message, to).catch(() => undefined);
      },
      async [Symbol.asyncDispose]() {
        closed = true;
        await Promise.all([...sockets.keys()].map(close));
      },
    };
  };
}
