/** The same filter as stun-filter.ts in libpcap's words (pcap-filter(7)), for captures that compile text. */
import { CHECK, MAGIC_COOKIE, MOST_TAGS, REQUEST_TYPE, RESPONSE_TYPES, type StunMatch } from './stun-match.js';

const UDP_HEADER_BYTES = 8;

/**
 * Text that keeps what createStunFilter keeps. `tags`: also behind one 802.1Q tag; only Ethernet's link types know that word.
 * Two differences are libpcap's own: on the link type NULL it knows no AF_INET6 but that of the system that it runs on, and on
 * LOOP, PPP and NULL alike it trusts the field of the link layer as we do.
 */
export function formatStunFilter(match: StunMatch, { tags = false }: { readonly tags?: boolean } = {}): string {
  // "udp port" lets the first fragment through and, for IPv6, nothing behind an extension header; udp[] is IPv4's alone.
  const four = `ip and udp ${portText(match)} and ip[6:2] & 0x3fff = 0 and ${messageText(match, four4, 'ip[0] & 0xf = 5 and ')}`;
  const six = `ip6 and udp ${portText(match)} and ${messageText(match, six6, '')}`;
  const both = `(${four}) or (${six})`;
  return tags ? `${both} or (vlan and (${both}))` : both;
}

type Field = (at: number, bytes: 2 | 4) => string;
/** A field of the UDP datagram. */
const four4: Field = (at, bytes) => `udp[${at}:${bytes}]`;
const six6: Field = (at, bytes) => `ip6[${40 + at}:${bytes}]`;
const hex = (value: number): string => `0x${value.toString(16)}`;
const anyOf = (field: string, values: readonly number[]): string =>
  values.length === 0 ? '0 = 1' : `(${values.map((value) => `${field} = ${hex(value)}`).join(' or ')})`;

function portText(match: StunMatch): string {
  if ('sourcePort' in match) return `src port ${match.sourcePort}`;
  const { localPort, ports } = match;
  if (!ports) return `dst port ${localPort}`;
  return `and (dst port ${localPort} or dst portrange ${ports.first}-${ports.last})`;
}

function messageText(match: StunMatch, field: Field, plainHeader: string): string {
  const payload = UDP_HEADER_BYTES;
  const cookie = `${field(payload + 4, 4)} = ${hex(MAGIC_COOKIE)}`;
  const prefix = match.prefixes ? ` and ${anyOf(field(payload + 8, 4), match.prefixes)}` : '';
  const response = `${anyOf(field(payload, 2), RESPONSE_TYPES)}${prefix}`;
  const tags = 'localPort' in match ? (match.requests?.tags ?? []) : [];
  if (tags.length === 0) return `${cookie} and ${response}`;
  const request = [
    `${plainHeader}${field(payload, 2)} = ${hex(REQUEST_TYPE)}`,
    `${field(4, 2)} = ${payload + CHECK.bytes}`,
    `${field(payload + 2, 2)} = ${CHECK.bodyBytes}`,
    `${field(payload + CHECK.usernameAt, 4)} = ${hex(CHECK.username)}`,
    ...(tags.length > MOST_TAGS ? [] : [anyOf(field(payload + CHECK.tagAt, 4), tags)]),
  ].join(' and ');
  return `${cookie} and ((${response}) or (${request}))`;
}
