/** Messages of rtnetlink(7) as bytes and values; pure. */
import { type Family, StunmeshError } from '../api/index.js';
import { formatAddress } from '../net/index.js';
import { LITTLE } from './sockaddr.js';

const HEADER_BYTES = 16;
const NLM_F_REQUEST = 0x1;
const NLM_F_DUMP = 0x300;

export const MESSAGE = {
  error: 2,
  done: 3,
  newLink: 16,
  delLink: 17,
  getLink: 18,
  newAddress: 20,
  delAddress: 21,
  getAddress: 22,
  newRoute: 24,
  delRoute: 25,
  getRoute: 26,
  newRule: 32,
  delRule: 33,
} as const;

/** Multicast groups of link, address, route and rule changes, both families (the bits of RTMGRP_* and RTNLGRP_*). */
export const GROUPS = { link: 0x1, all: 0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 0x40000 } as const;

const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;
const IFF_RUNNING = 0x40;
const IFF_LOWER_UP = 0x10000;
/** What tells whether a link moves packets: not IFF_PROMISC, which every capture by libpcap changes. */
export const LINK_STATE_FLAGS = IFF_UP | IFF_RUNNING | IFF_LOWER_UP;
const AF_UNSPEC = 0;
const AF: Readonly<Record<Family, number>> = { 4: 2, 6: 10 };

const AF_NETLINK = 16;

/** A sockaddr_nl: the kernel (port 0), or our own end with its multicast groups. */
export function encodeNetlinkAddress(groups = 0): Uint8Array {
  const result = new Uint8Array(12);
  const view = viewOf(result);
  view.setUint16(0, AF_NETLINK, LITTLE);
  view.setUint32(8, groups, LITTLE);
  return result;
}

/** One message, header off. */
export interface NetlinkMessage {
  readonly type: number;
  /** NLM_F_*. */
  readonly flags: number;
  readonly body: Uint8Array;
}

/** The messages in one read, in order; what is cut off is left out. */
export function parseNetlink(bytes: Uint8Array): readonly NetlinkMessage[] {
  const view = viewOf(bytes);
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const length = view.getUint32(at, LITTLE);
    if (length < HEADER_BYTES || at + length > bytes.length) break;
    messages.push({
      type: view.getUint16(at + 4, LITTLE),
      flags: view.getUint16(at + 6, LITTLE),
      body: bytes.subarray(at + HEADER_BYTES, at + length),
    });
    at += align(length);
  }
  return messages;
}

/** The errno of an error message (0: an acknowledgement). */
export function netlinkErrno(body: Uint8Array): number {
  return body.length < 4 ? 0 : -viewOf(body).getInt32(0, LITTLE);
}

/** A change of a link; undefined for messages about bridge ports and the like, which have the same type. */
export function parseLink(
  body: Uint8Array,
): { index: number; name?: string; flags: number; up: boolean; loopback: boolean; mtu?: number } | undefined {
  if (body.length < 16 || body[0] !== AF_UNSPEC) return undefined;
  const view = viewOf(body);
  const flags = view.getUint32(8, LITTLE);
  const found = parseAttributes(body, 16);
  const name = textOf(found.get(IFLA_IFNAME));
  const mtu = found.get(IFLA_MTU);
  return {
    index: view.getInt32(4, LITTLE),
    ...(name !== undefined && { name }),
    flags,
    up: (flags & IFF_UP) !== 0,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    ...(mtu?.length === 4 && { mtu: viewOf(mtu).getUint32(0, LITTLE) }),
  };
}

/** Tells whether two messages of a link say the same of its being up: name, IFF_UP, IFF_RUNNING, IFF_LOWER_UP, changes of carrier. */
export function linkState(body: Uint8Array): string | undefined {
  const link = parseLink(body);
  if (!link) return undefined;
  const changes = parseAttributes(body, 16).get(IFLA_CARRIER_CHANGES);
  return `${link.name ?? ''} ${link.flags & LINK_STATE_FLAGS} ${changes === undefined ? '' : Buffer.from(changes).toString('hex')}`;
}

const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_CARRIER_CHANGES = 35;

export function parseAddressMessage(
  body: Uint8Array,
): { index: number; family: Family; address: string; prefixLength: number } | undefined {
  const family = body.length < 8 ? undefined : familyOf(body[0]);
  if (!family) return undefined;
  const found = parseAttributes(body, 8);
  // On a point-to-point link IFA_ADDRESS (1) is the other end; IFA_LOCAL (2) is ours.
  const bytes = found.get(2) ?? found.get(1);
  if (bytes?.length !== (family === 4 ? 4 : 16)) return undefined;
  return {
    index: viewOf(body).getUint32(4, LITTLE),
    family,
    address: formatAddress(bytes),
    prefixLength: body[1] ?? 0,
  };
}

export function parseRoute(body: Uint8Array): { outInterface?: number; source?: string; gateway?: string } | undefined {
  if (body.length < 12 || !familyOf(body[0])) return undefined;
  const found = parseAttributes(body, 12);
  const out = found.get(RTA_OIF);
  const source = found.get(RTA_PREFSRC);
  const gateway = found.get(RTA_GATEWAY);
  return {
    ...(out?.length === 4 && { outInterface: viewOf(out).getUint32(0, LITTLE) }),
    ...(source && { source: formatAddress(source) }),
    ...((gateway?.length === 4 || gateway?.length === 16) && { gateway: formatAddress(gateway) }),
  };
}

const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PREFSRC = 7;
const RTA_MARK = 16;
const IFLA_EXT_MASK = 29;
/** RTEXT_FILTER_SKIP_STATS */
const SKIP_STATS = 8;

/** Asks for all links, without their counters. */
export function linkDumpRequest(): Uint8Array {
  return request(MESSAGE.getLink, NLM_F_DUMP, new Uint8Array(16), [[IFLA_EXT_MASK, word(SKIP_STATS)]]);
}

/** Asks for all addresses. */
export function addressDumpRequest(): Uint8Array {
  return request(MESSAGE.getAddress, NLM_F_DUMP, new Uint8Array(8), []);
}

/** Asks which way a packet to `address` (4 or 16 bytes) would take. */
export function routeRequest(address: Uint8Array, firewallMark: number, outInterface: number): Uint8Array {
  const body = new Uint8Array(12);
  body[0] = AF[address.length === 4 ? 4 : 6];
  body[1] = address.length * 8;
  const list: NetlinkAttribute[] = [[RTA_DST, address]];
  if (firewallMark !== 0) list.push([RTA_MARK, word(firewallMark)]);
  if (outInterface !== 0) list.push([RTA_OIF, word(outInterface)]);
  return request(MESSAGE.getRoute, 0, body, list);
}

function request(type: number, flags: number, body: Uint8Array, list: readonly NetlinkAttribute[]): Uint8Array {
  return encodeNetlink({
    type,
    flags: NLM_F_REQUEST | flags,
    sequence: 0,
    body: Buffer.concat([body, encodeAttributes(list)]),
  });
}

/** A type, and a value that its kind of message knows. */
export type NetlinkAttribute = readonly [type: number, value: Uint8Array];

/** One message with its header. */
export function encodeNetlink(message: {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly body: Uint8Array;
}): Uint8Array {
  const bytes = new Uint8Array(align(HEADER_BYTES + message.body.length));
  const view = viewOf(bytes);
  view.setUint32(0, HEADER_BYTES + message.body.length, LITTLE);
  view.setUint16(4, message.type, LITTLE);
  view.setUint16(6, message.flags, LITTLE);
  view.setUint32(8, message.sequence, LITTLE);
  bytes.set(message.body, HEADER_BYTES);
  return bytes;
}

/** Attributes one after the other, each padded to a multiple of four bytes. */
export function encodeAttributes(list: readonly NetlinkAttribute[]): Uint8Array {
  const bytes = new Uint8Array(list.reduce((sum, [, value]) => sum + align(4 + value.length), 0));
  const view = viewOf(bytes);
  let at = 0;
  for (const [attribute, value] of list) {
    view.setUint16(at, 4 + value.length, LITTLE);
    view.setUint16(at + 2, attribute, LITTLE);
    bytes.set(value, at + 4);
    at += align(4 + value.length);
  }
  return bytes;
}

/** The attributes from `start` on, by type; the last of a type counts, what is cut off is left out. */
export function parseAttributes(body: Uint8Array, start: number): ReadonlyMap<number, Uint8Array> {
  const view = viewOf(body);
  const found = new Map<number, Uint8Array>();
  for (let at = start; at + 4 <= body.length; ) {
    const length = view.getUint16(at, LITTLE);
    if (length < 4 || at + length > body.length) break;
    // The two highest bits are flags.
    found.set(view.getUint16(at + 2, LITTLE) & 0x3fff, body.subarray(at + 4, at + length));
    at += align(length);
  }
  return found;
}

/** What NLMSG_ERROR meant, where it was no expected outcome. */
export function netlinkError(errno: number, what: string): StunmeshError {
  return new StunmeshError('ERR_CAPTURE_OPEN', `netlink refused ${what} (errno ${errno})`, { details: { errno } });
}

const align = (length: number) => (length + 3) & ~3;
const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const familyOf = (byte: number | undefined): Family | undefined =>
  byte === AF[4] ? 4 : byte === AF[6] ? 6 : undefined;

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value >>> 0, LITTLE);
  return bytes;
}

function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes && Buffer.from(bytes).toString('utf8').replace(/\0.*$/s, '');
}
