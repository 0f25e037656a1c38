/** Messages of route(4) sockets, as FreeBSD and macOS write them, as network events; pure. */
import { endianness } from 'node:os';
import type { NetworkEvent } from '@stunmesh/core/api';

/** net/route.h: the same numbers on both systems. */
const RTM = {
  add: 0x1,
  delete: 0x2,
  change: 0x3,
  newAddress: 0xc,
  deleteAddress: 0xd,
  interfaceInfo: 0xe,
  /** FreeBSD: an interface came or went. */
  interfaceAnnounce: 0x11,
} as const;

/** RTF_LLINFO (FreeBSD: RTF_LLDATA), the entries of ARP and neighbour discovery; RTF_WASCLONED of macOS. */
const NEIGHBOUR_FLAGS = 0x400 | 0x20000;
const IFF_UP = 0x1;
const IFF_RUNNING = 0x40;
const ANNOUNCED_NAME = { offset: 6, bytes: 16 } as const;
/** ifi_link_state of FreeBSD's struct if_data, which follows the header of 16 bytes. */
const LINK_STATE_OFFSET = 20;

export interface RouteMessage {
  readonly kind: NetworkEvent['kind'];
  /** 0: unknown. */
  readonly index: number;
  /** Where the message itself names the interface, which may be gone. */
  readonly name?: string;
  /** Of a link: differs when it went up, down, or lost its carrier. undefined: it came or went. */
  readonly state?: string;
}

/** The news in one read of a route socket, in order; what means nothing here, and what is cut off, is left out. */
export function parseRouteMessages(bytes: Uint8Array, byteOrder: 'LE' | 'BE' = endianness()): readonly RouteMessage[] {
  const little = byteOrder === 'LE';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: RouteMessage[] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = view.getUint16(at, little);
    if (length < 4 || at + length > bytes.length) break;
    const message = parseMessage(new DataView(view.buffer, view.byteOffset + at, length), little);
    if (message) messages.push(message);
    at += length;
  }
  return messages;
}

function parseMessage(view: DataView, little: boolean): RouteMessage | undefined {
  if (view.byteLength < 16) return undefined;
  switch (view.getUint8(3)) {
    case RTM.add:
    case RTM.delete:
    case RTM.change:
      return (view.getInt32(8, little) & NEIGHBOUR_FLAGS) === 0
        ? { kind: 'route', index: view.getUint16(4, little) }
        : undefined;
    case RTM.newAddress:
    case RTM.deleteAddress:
      return { kind: 'address', index: view.getUint16(12, little) };
    case RTM.interfaceInfo: {
      const flags = view.getInt32(8, little) & (IFF_UP | IFF_RUNNING);
      const carrier = view.byteLength > LINK_STATE_OFFSET ? view.getUint8(LINK_STATE_OFFSET) : 0;
      return { kind: 'link', index: view.getUint16(12, little), state: `${flags} ${carrier}` };
    }
    case RTM.interfaceAnnounce:
      return { kind: 'link', index: view.getUint16(4, little), ...announcedName(view) };
    default:
      return undefined;
  }
}

function announcedName(view: DataView): { readonly name?: string } {
  const { offset, bytes } = ANNOUNCED_NAME;
  if (view.byteLength < offset + bytes) return {};
  const text = Buffer.from(view.buffer, view.byteOffset + offset, bytes)
    .toString('latin1')
    .replace(/\0.*$/s, '');
  return text === '' ? {} : { name: text };
}
