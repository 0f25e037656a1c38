/** The Internet checksum (RFC 1071), and the sums of UDP over IPv4, ICMP and ICMPv6. */
import { parseAddress } from './address.js';

/** The one's complement sum of 16-bit words, not yet complemented; pass the result as `start` to go on with more (even) bytes. */
export function onesSum(bytes: Uint8Array, start = 0): number {
  let sum = start;
  bytes.forEach((byte, i) => {
    sum += i % 2 === 0 ? byte << 8 : byte;
  });
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

/** RFC 1071: 0 for data that holds its own right checksum. */
export function internetChecksum(bytes: Uint8Array, start = 0): number {
  return ~onesSum(bytes, start) & 0xffff;
}

/** The sum of the pseudo header (RFC 768; RFC 8200 section 8.1): addresses, protocol, length in bytes. */
export function pseudoHeaderSum(source: Uint8Array, destination: Uint8Array, protocol: number, length: number): number {
  return onesSum(
    Uint8Array.of(length >>> 24, length >>> 16, length >>> 8, length, 0, 0, 0, protocol),
    onesSum(destination, onesSum(source)),
  );
}

/** The checksum of a UDP datagram (header with checksum 0, payload) between two addresses in text, as RFC 768 sends it: never 0. */
export function udpChecksum(datagram: Uint8Array, source: string, destination: string): number {
  const from = parseAddress(source);
  const to = parseAddress(destination);
  if (!from || !to || from.length !== to.length) throw new RangeError(`no UDP from ${source} to ${destination}`);
  const sum = internetChecksum(datagram, pseudoHeaderSum(from, to, 17, datagram.length));
  return sum === 0 ? 0xffff : sum;
}
