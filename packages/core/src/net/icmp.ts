/** ICMP and ICMPv6 echo messages (RFC 792, RFC 4443 section 4), from the type byte on. */
import type { Family } from '../api/endpoint.js';
import { internetChecksum } from './checksum.js';

const HEADER_BYTES = 8;

const TYPES = {
  4: { request: 8, reply: 0 },
  6: { request: 128, reply: 129 },
} as const satisfies Record<Family, { request: number; reply: number }>;

export interface EchoMessage {
  readonly kind: 'request' | 'reply';
  /** 16 bits. */
  readonly id: number;
  /** 16 bits. */
  readonly sequence: number;
  readonly payload: Uint8Array;
}

/** IPv4's checksum is filled in; IPv6's stays 0, for the kernel to fill in (it covers the addresses). */
export function encodeEcho(family: Family, echo: EchoMessage): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + echo.payload.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = TYPES[family][echo.kind];
  view.setUint16(4, echo.id);
  view.setUint16(6, echo.sequence);
  bytes.set(echo.payload, HEADER_BYTES);
  if (family === 4) view.setUint16(2, internetChecksum(bytes));
  return bytes;
}

/** undefined when it is not a whole echo message, or IPv4's checksum is wrong (IPv6's is the kernel's to check). */
export function parseEcho(family: Family, bytes: Uint8Array): EchoMessage | undefined {
  if (bytes.length < HEADER_BYTES || bytes[1] !== 0) return undefined;
  const types = TYPES[family];
  const kind = bytes[0] === types.request ? 'request' : bytes[0] === types.reply ? 'reply' : undefined;
  if (!kind || (family === 4 && internetChecksum(bytes) !== 0)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { kind, id: view.getUint16(4), sequence: view.getUint16(6), payload: bytes.subarray(HEADER_BYTES) };
}
