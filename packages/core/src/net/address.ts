/** IP addresses as bytes and canonical text, prefixes, and the ranges that no endpoint may lie in. */
import { isIP } from 'node:net';
import type { Family } from '../api/endpoint.js';

const DOT = 0x2e;
const ZERO = 0x30;

/** 4 or 16 bytes of an address in text (no zone); undefined when it is not one. */
export function parseAddress(text: string): Uint8Array | undefined {
  const version = isIP(text);
  if (version === 4) return parseIpv4Text(text);
  if (version !== 6 || text.includes('%')) return undefined;
  return parseIpv6(text);
}

/** `text` is known to be an address; read by digits, as every packet and every reading of a device needs some. */
function parseIpv4Text(text: string): Uint8Array {
  const bytes = new Uint8Array(4);
  let at = 0;
  let value = 0;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      bytes[at] = value;
      at += 1;
      value = 0;
    } else value = value * 10 + code - ZERO;
  }
  bytes[at] = value;
  return bytes;
}

function parseIpv6(text: string): Uint8Array {
  let rest = text;
  const tail: number[] = [];
  const dotted = rest.lastIndexOf(':');
  if (rest.includes('.')) {
    tail.push(
      ...rest
        .slice(dotted + 1)
        .split('.')
        .map(Number),
    );
    rest = `${rest.slice(0, dotted + 1)}0:0`;
  }
  const [head = '', back] = rest.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':').map((g) => Number.parseInt(g, 16)));
  const front = groups(head);
  const end = back === undefined ? [] : groups(back);
  const words = [...front, ...new Array<number>(8 - front.length - end.length).fill(0), ...end];
  const bytes = Uint8Array.from(words.flatMap((w) => [w >> 8, w & 0xff]));
  if (tail.length === 4) bytes.set(tail, 12);
  return bytes;
}

/** Canonical text: dotted decimal, or RFC 5952 section 4 (IPv4-mapped in mixed notation, section 5). */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (isMapped(bytes)) return `::ffff:${bytes.subarray(12).join('.')}`;
  const words = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
  let best = { at: -1, length: 1 };
  for (let i = 0; i < 8; i += 1) {
    let n = 0;
    while (i + n < 8 && words[i + n] === 0) n += 1;
    if (n > best.length) best = { at: i, length: n };
    i += n;
  }
  const hex = words.map((w) => w.toString(16));
  if (best.at < 0) return hex.join(':');
  return `${hex.slice(0, best.at).join(':')}::${hex.slice(best.at + best.length).join(':')}`;
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes.subarray(0, 10).every((b) => b === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
}

export function familyOf(bytes: Uint8Array): Family {
  return bytes.length === 4 ? 4 : 6;
}

/** An address with a prefix length, "10.0.0.0/8". */
export interface Prefix {
  readonly bytes: Uint8Array;
  readonly length: number;
}

/** undefined when it is not a prefix; a bare address is a host prefix. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/');
  const bytes = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (!bytes) return undefined;
  const most = bytes.length * 8;
  if (slash < 0) return { bytes, length: most };
  const digits = text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(digits) || Number(digits) > most) return undefined;
  return { bytes, length: Number(digits) };
}

/** Whether the address lies inside the prefix; false for another family. */
export function contains(prefix: Prefix, address: Uint8Array): boolean {
  if (prefix.bytes.length !== address.length) return false;
  const whole = prefix.length >> 3;
  for (let i = 0; i < whole; i += 1) if (prefix.bytes[i] !== address[i]) return false;
  const rest = prefix.length & 7;
  if (rest === 0) return true;
  const mask = (0xff << (8 - rest)) & 0xff;
  return ((prefix.bytes[whole] ?? 0) & mask) === ((address[whole] ?? 0) & mask);
}

const prefixes = (...texts: string[]): Prefix[] => texts.flatMap((t) => parsePrefix(t) ?? []);

/** Addresses that no packet to a peer or server may go to (F7, F19): IANA special-purpose registries, RFC 6890. */
const REFUSED: readonly { readonly name: string; readonly ranges: readonly Prefix[] }[] = [
  { name: 'unspecified', ranges: prefixes('0.0.0.0/8', '::/128') },
  { name: 'loopback', ranges: prefixes('127.0.0.0/8', '::1/128') },
  { name: 'multicast', ranges: prefixes('224.0.0.0/4', 'ff00::/8') },
  { name: 'broadcast', ranges: prefixes('255.255.255.255/32') },
  { name: 'IPv4-mapped', ranges: prefixes('::ffff:0:0/96') },
];

/** Why this address can never be a peer's endpoint, in a word; undefined when it can. */
export function refusedAddress(address: Uint8Array): string | undefined {
  return REFUSED.find(({ ranges }) => ranges.some((range) => contains(range, address)))?.name;
}

/** fe80::/10: such an address means something only together with an interface (RFC 4007). */
export function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/i.test(address);
}
