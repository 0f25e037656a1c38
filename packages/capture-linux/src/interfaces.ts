/** The network interfaces of this namespace, also those that are down. */
import type { NetInterface } from '@stunmesh/core/api';
import {
  addressDumpRequest,
  linkDumpRequest,
  linkState,
  MESSAGE,
  type NetlinkMessage,
  netlinkErrno,
  netlinkError,
  parseAddressMessage,
  parseLink,
} from '@stunmesh/core/capture-kit';
import type { Native } from './native.js';
import { askNetlink } from './netlink-socket.js';

/** Errors: ERR_CAPTURE_ADDON, ERR_CAPTURE_OPEN. */
export function listInterfaces(native: Native): readonly NetInterface[] {
  const addresses = ask(native, addressDumpRequest(), 'a list of addresses').flatMap(
    (message) => (message.type === MESSAGE.newAddress && parseAddressMessage(message.body)) || [],
  );
  return ask(native, linkDumpRequest(), 'a list of links').flatMap((message) => {
    const link = message.type === MESSAGE.newLink ? parseLink(message.body) : undefined;
    if (link?.name === undefined) return [];
    const { name, index, up, loopback, mtu } = link;
    const own = addresses
      .filter((address) => address.index === index)
      .map(({ family, address, prefixLength }) => ({ family, address, prefixLength }));
    return { name, index, up, loopback, ...(mtu !== undefined && { mtu }), addresses: own };
  });
}

/** What watchNetwork compares later messages of links with, by index. */
export function listLinkStates(native: Native): Map<number, string> {
  const states = new Map<number, string>();
  for (const { type, body } of ask(native, linkDumpRequest(), 'a list of links')) {
    const [link, state] = type === MESSAGE.newLink ? [parseLink(body), linkState(body)] : [];
    if (link && state !== undefined) states.set(link.index, state);
  }
  return states;
}

function ask(native: Native, request: Uint8Array, what: string): readonly NetlinkMessage[] {
  const answer = askNetlink(native, request);
  const refusal = answer.find((message) => message.type === MESSAGE.error);
  if (refusal) throw netlinkError(netlinkErrno(refusal.body), what);
  return answer;
}
