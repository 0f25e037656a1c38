/** UDP and IPv4 headers (RFC 768, RFC 791), as raw sockets hand them out and take them. */
import { formatAddress } from './address.js';

export const UDP_HEADER_BYTES = 8;

export interface Ipv4Packet {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  /** What follows the header and its options, up to the packet's total length. */
  readonly payload: Uint8Array;
}

/** An IPv4 packet from its header on; undefined when it is none, a fragment, or cut off. */
export function parseIpv4(bytes: Uint8Array): Ipv4Packet | undefined {
  const first = bytes[0];
  if (first === undefined || first >> 4 !== 4) return undefined;
  const headerLength = (first & 0x0f) * 4;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (headerLength < 20 || bytes.length < headerLength) return undefined;
  const totalLength = view.getUint16(2);
  if (totalLength < headerLength || totalLength > bytes.length) return undefined;
  // More fragments, or an offset.
  if ((view.getUint16(6) & 0x3fff) !== 0) return undefined;
  return {
    source: formatAddress(bytes.subarray(12, 16)),
    destination: formatAddress(bytes.subarray(16, 20)),
    protocol: view.getUint8(9),
    payload: bytes.subarray(headerLength, totalLength),
  };
}

export interface UdpDatagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** As on the wire; 0: the sender filled none in. */
  readonly checksum: number;
  readonly payload: Uint8Array;
}

/** A UDP datagram from its header on; undefined when it is cut off. */
export function parseUdp(bytes: Uint8Array): UdpDatagram | undefined {
  if (bytes.length < UDP_HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint16(4);
  if (length < UDP_HEADER_BYTES || length > bytes.length) return undefined;
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    checksum: view.getUint16(6),
    payload: bytes.subarray(UDP_HEADER_BYTES, length),
  };
}

/** Header and payload in one. Errors: RangeError for a port or length that does not fit. */
export function encodeUdp(datagram: UdpDatagram): Uint8Array {
  const { sourcePort, destinationPort, checksum, payload } = datagram;
  const length = UDP_HEADER_BYTES + payload.length;
  for (const word of [sourcePort, destinationPort, checksum, length])
    if (!Number.isInteger(word) || word < 0 || word > 0xffff) throw new RangeError(`${word} does not fit a UDP header`);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, sourcePort);
  view.setUint16(2, destinationPort);
  view.setUint16(4, length);
  view.setUint16(6, checksum);
  bytes.set(payload, UDP_HEADER_BYTES);
  return bytes;
}
