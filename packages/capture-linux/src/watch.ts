/** News of the network, as it comes from the kernel. */
import type { NetworkEvent, StunmeshError } from '@stunmesh/core/api';
import { lostError } from './errors.js';
import type { Native } from './native.js';
import { GROUPS, MESSAGE, type NetlinkMessage, parseAddressMessage, parseLink, parseRoute } from './netlink.js';
import { listenNetlink } from './netlink-socket.js';

/** Errors: ERR_CAPTURE_ADDON, ERR_CAPTURE_OPEN. */
export function watchNetwork(
  native: Native,
  on: { onChange(event: NetworkEvent): void; onFault(error: StunmeshError): void },
): AsyncDisposable {
  let open = true;
  const socket = listenNetlink(native, GROUPS.all, {
    news(messages) {
      for (const message of messages) {
        const event = open && readEvent(native, message);
        if (event) on.onChange(event);
      }
    },
    overrun() {
      for (const kind of ['link', 'address', 'route'] as const) if (open) on.onChange({ kind });
    },
    fault: (error) => on.onFault(lostError('the watch over the network', error)),
  });
  return {
    async [Symbol.asyncDispose]() {
      open = false;
      socket.close();
    },
  };
}

function readEvent(native: Native, { type, body }: NetlinkMessage): NetworkEvent | undefined {
  switch (type) {
    case MESSAGE.newLink:
    case MESSAGE.delLink: {
      const link = parseLink(body);
      return link && event('link', link.name ?? native.interfaceName(link.index));
    }
    case MESSAGE.newAddress:
    case MESSAGE.delAddress: {
      const address = parseAddressMessage(body);
      return address && event('address', native.interfaceName(address.index));
    }
    case MESSAGE.newRoute:
    case MESSAGE.delRoute: {
      const index = parseRoute(body)?.outInterface;
      return event('route', index === undefined ? '' : native.interfaceName(index));
    }
    case MESSAGE.newRule:
    case MESSAGE.delRule:
      return { kind: 'route' };
    default:
      return undefined;
  }
}

function event(kind: NetworkEvent['kind'], name: string): NetworkEvent {
  return name === '' ? { kind } : { kind, interface: name };
}
