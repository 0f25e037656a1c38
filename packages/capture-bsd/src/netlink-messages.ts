/** Messages of rtnetlink(7) as network events, for captures on Linux, which has no route(4); pure. */
import { endianness } from 'node:os';
import type { RouteMessage } from './route-messages.js';

const HEADER_BYTES = 16;
const AF_UNSPEC = 0;
const AF_NETLINK = 16;
/** RTM_NEW* and RTM_DEL*; rules (policy routing) change routes too. */
const TYPES: ReadonlyMap<number, RouteMessage['kind']> = new Map([
  [16, 'link'],
  [17, 'link'],
  [20, 'address'],
  [21, 'address'],
  [24, 'route'],
  [25, 'route'],
  [32, 'route'],
  [33, 'route'],
]);
const NEW_LINK = 16;
/** IFF_UP, IFF_RUNNING, IFF_LOWER_UP: not IFF_PROMISC, which every capture by libpcap changes. */
const STATE_FLAGS = 0x1 | 0x40 | 0x10000;
/** RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV4_RULE, _IPV6_IFADDR, _IPV6_ROUTE, and RTNLGRP_IPV6_RULE's bit. */
const GROUPS = 0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 0x40000;

/** What to open and to bind to: a sockaddr_nl of all groups that matter. */
export const NETLINK = { family: AF_NETLINK, protocol: 0, address: groupsAddress() } as const;

function groupsAddress(): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_NETLINK, endianness() === 'LE');
  view.setUint32(8, GROUPS, endianness() === 'LE');
  return bytes;
}

/** The state of a link with these IFF_* flags, to compare later messages with. */
export function linkState(flags: number): string {
  return `${flags & STATE_FLAGS}`;
}

/** As parseRouteMessages, for one read of a netlink socket. */
export function parseNetlinkMessages(
  bytes: Uint8Array,
  byteOrder: 'LE' | 'BE' = endianness(),
): readonly RouteMessage[] {
  const little = byteOrder === 'LE';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: RouteMessage[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const length = view.getUint32(at, little);
    if (length < HEADER_BYTES || at + length > bytes.length) break;
    const message = parseMessage(view, at, length, little);
    if (message) messages.push(message);
    at += (length + 3) & ~3;
  }
  return messages;
}

function parseMessage(view: DataView, at: number, length: number, little: boolean): RouteMessage | undefined {
  const type = view.getUint16(at + 4, little);
  const kind = TYPES.get(type);
  const body = at + HEADER_BYTES;
  if (kind === undefined || kind === 'route') return kind && { kind, index: 0 };
  if (length < HEADER_BYTES + (kind === 'link' ? 16 : 8)) return undefined;
  const index = view.getInt32(body + 4, little);
  if (kind === 'address') return { kind, index };
  // Bridges send messages of this type about their ports, with a family of their own.
  if (view.getUint8(body) !== AF_UNSPEC) return undefined;
  return { kind, index, ...(type === NEW_LINK && { state: linkState(view.getUint32(body + 8, little)) }) };
}
