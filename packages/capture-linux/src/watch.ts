/** News of the network, as it comes from the kernel. */
import type { NetworkEvent, StunmeshError } from '@stunmesh/core/api';
import {
  GROUPS,
  linkState,
  lostError,
  MESSAGE,
  type NetlinkMessage,
  parseAddressMessage,
  parseLink,
  parseRoute,
} from '@stunmesh/core/capture-kit';
import { listLinkStates } from './interfaces.js';
import type { Native } from './native.js';
import { listenNetlink } from './netlink-socket.js';

/** Errors: ERR_CAPTURE_ADDON, ERR_CAPTURE_OPEN. */
export function watchNetwork(
  native: Native,
  on: { onChange(event: NetworkEvent): void; onFault(error: StunmeshError): void },
): AsyncDisposable {
  let open = true;
  let links: Map<number, string> | undefined;
  const socket = listenNetlink(native, GROUPS.all, {
    news(messages) {
      for (const message of messages) {
        const event = open && readEvent(native, links, message);
        if (event) on.onChange(event);
      }
    },
    overrun() {
      links?.clear();
      for (const kind of ['link', 'address', 'route'] as const) if (open) on.onChange({ kind });
    },
    fault: (error) => on.onFault(lostError('the watch over the network', error)),
  });
  try {
    links = listLinkStates(native);
  } catch {
    // Then every message of a link counts.
  }
  return {
    async [Symbol.asyncDispose]() {
      open = false;
      socket.close();
    },
  };
}

function readEvent(
  native: Native,
  links: Map<number, string> | undefined,
  { type, body }: NetlinkMessage,
): NetworkEvent | undefined {
  switch (type) {
    case MESSAGE.newLink:
    case MESSAGE.delLink: {
      const link = parseLink(body);
      if (!link || (links && !linkChanged(links, link.index, type === MESSAGE.newLink ? linkState(body) : undefined)))
        return undefined;
      return event('link', link.name ?? native.interfaceName(link.index));
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

/** Links send messages for much that moves no packet another way: a tcpdump that begins, a scan for wireless networks. */
function linkChanged(links: Map<number, string>, index: number, state: string | undefined): boolean {
  if (state === undefined) {
    links.delete(index);
    return true;
  }
  const changed = links.get(index) !== state;
  links.set(index, state);
  return changed;
}

function event(kind: NetworkEvent['kind'], name: string): NetworkEvent {
  return name === '' ? { kind } : { kind, interface: name };
}
