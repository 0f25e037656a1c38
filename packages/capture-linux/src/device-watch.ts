/** Tells whoever holds a socket on a device when that device is gone: a bound raw socket itself never hears of it. */

import { GROUPS, MESSAGE, parseLink } from '@stunmesh/core/capture-kit';
import type { Native } from './native.js';
import { listenNetlink } from './netlink-socket.js';

/** One netlink socket for everybody who must know when a device is gone; it is open while somebody asks. */
export interface DeviceWatch {
  /** Calls back at most once, when the interface with this index is gone or can no longer be watched; returns how to stop. */
  onGone(index: number, gone: (error?: unknown) => void): () => void;
}

export function createDeviceWatch(native: Native): DeviceWatch {
  const watched = new Set<{ readonly index: number; gone(error?: unknown): void }>();
  let socket: { close(): void } | undefined;
  const drop = (entry: { readonly index: number; gone(error?: unknown): void }) => {
    watched.delete(entry);
    if (watched.size > 0) return;
    socket?.close();
    socket = undefined;
  };
  const tell = (which: (index: number) => boolean, error?: unknown) => {
    for (const entry of [...watched].filter((e) => which(e.index))) {
      if (!watched.has(entry)) continue;
      drop(entry);
      entry.gone(error);
    }
  };
  return {
    onGone(index, gone) {
      socket ??= listenNetlink(native, GROUPS.link, {
        news(messages) {
          const indexes = messages.flatMap(
            ({ type, body }) => (type === MESSAGE.delLink && parseLink(body)?.index) || [],
          );
          tell((i) => indexes.includes(i));
        },
        overrun: () => tell((i) => native.interfaceName(i) === ''),
        fault(error) {
          socket = undefined;
          tell(() => true, error);
        },
      });
      const entry = { index, gone };
      watched.add(entry);
      return () => drop(entry);
    },
  };
}
