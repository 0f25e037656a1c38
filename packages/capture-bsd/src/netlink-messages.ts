/** Messages of rtnetlink(7) as network events, for captures on Linux, which has no route(4); pure. */
import {
  encodeNetlinkAddress,
  GROUPS,
  LINK_STATE_FLAGS,
  MESSAGE,
  type NetlinkMessage,
  parseAddressMessage,
  parseLink,
  parseNetlink,
} from '@stunmesh/core/capture-kit';
import type { RouteMessage } from './route-messages.js';

/** What to open and to bind to: a sockaddr_nl of all groups that matter. */
export const NETLINK = { family: 16, protocol: 0, address: encodeNetlinkAddress(GROUPS.all) } as const;

/** The state of a link with these IFF_* flags, to compare later messages with. */
export function linkState(flags: number): string {
  return `${flags & LINK_STATE_FLAGS}`;
}

/** As parseRouteMessages, for one read of a netlink socket. */
export function parseNetlinkMessages(bytes: Uint8Array): readonly RouteMessage[] {
  return parseNetlink(bytes).flatMap((message) => toEvent(message) ?? []);
}

function toEvent({ type, body }: NetlinkMessage): RouteMessage | undefined {
  switch (type) {
    case MESSAGE.newLink:
    case MESSAGE.delLink: {
      const link = parseLink(body);
      return (
        link && {
          kind: 'link',
          index: link.index,
          ...(type === MESSAGE.newLink && { state: linkState(link.flags) }),
        }
      );
    }
    case MESSAGE.newAddress:
    case MESSAGE.delAddress: {
      const address = parseAddressMessage(body);
      return address && { kind: 'address', index: address.index };
    }
    // Rules (policy routing) change routes too.
    case MESSAGE.newRoute:
    case MESSAGE.delRoute:
    case MESSAGE.newRule:
    case MESSAGE.delRule:
      return { kind: 'route', index: 0 };
    default:
      return undefined;
  }
}
