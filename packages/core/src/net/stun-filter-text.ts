/** The same filter as stun-filter.ts in libpcap's words (pcap-filter(7)), for captures that compile text. */
import { MAGIC_COOKIE, RESPONSE_TYPES, type StunMatch } from './stun-filter.js';

/**
 * Text that keeps what createStunFilter keeps. `tags`: also behind one 802.1Q tag; only Ethernet's link types know that word.
 * Two differences are libpcap's own: on the link type NULL it knows no AF_INET6 but that of the system that it runs on, and on
 * LOOP, PPP and NULL alike it trusts the field of the link layer as we do.
 */
export function formatStunFilter(match: StunMatch, { tags = false }: { readonly tags?: boolean } = {}): string {
  const port = typeof match === 'number' ? `dst port ${match}` : `src port ${match.sourcePort}`;
  const types = (at: string) => RESPONSE_TYPES.map((type) => `${at} = 0x${type.toString(16)}`).join(' or ');
  const cookie = `0x${MAGIC_COOKIE.toString(16)}`;
  // "udp port" lets the first fragment through and, for IPv6, nothing behind an extension header; udp[] is IPv4's alone.
  const four = `ip and udp ${port} and ip[6:2] & 0x3fff = 0 and udp[12:4] = ${cookie} and (${types('udp[8:2]')})`;
  const six = `ip6 and udp ${port} and ip6[52:4] = ${cookie} and (${types('ip6[48:2]')})`;
  const both = `(${four}) or (${six})`;
  return tags ? `${both} or (vlan and (${both}))` : both;
}
