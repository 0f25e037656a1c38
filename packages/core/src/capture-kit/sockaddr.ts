/** Socket addresses as C structures, those of the BSDs (a length first) and Linux's, and integers as options take them. */
import { endianness } from 'node:os';
import type { Endpoint, Family } from '../api/index.js';
import { formatAddress, parseAddress } from '../net/index.js';
import type { SystemCalls } from './system-calls.js';

/** Of this machine. */
export const BYTE_ORDER = endianness();
export const LITTLE = BYTE_ORDER === 'LE';
/** The numbers of the system whose addresses they are. */
interface Numbers {
  readonly constants: Pick<SystemCalls['constants'], 'AF_INET' | 'AF_INET6' | 'SOCKADDR_HAS_LENGTH'>;
}
const BYTES: Readonly<Record<Family, number>> = { 4: 16, 6: 28 };

/** A sockaddr_in or sockaddr_in6; `scope` is an interface index, for link-local addresses. Errors: RangeError for text that is no address. */
export function encodeSockaddr({ constants: c }: Numbers, address: string, port: number, scope = 0) {
  const bytes = parseAddress(address);
  if (!bytes) throw new RangeError(`${address} is not an IP address`);
  const family = bytes.length === 4 ? 4 : 6;
  const result = new Uint8Array(BYTES[family]);
  const view = new DataView(result.buffer);
  const number = family === 4 ? c.AF_INET : c.AF_INET6;
  if (c.SOCKADDR_HAS_LENGTH) {
    result[0] = result.length;
    result[1] = number;
  } else view.setUint16(0, number, LITTLE);
  view.setUint16(2, port);
  result.set(bytes, family === 4 ? 4 : 8);
  if (family === 6) view.setUint32(24, scope, LITTLE);
  return result;
}

/** The address and port in a sockaddr_in or sockaddr_in6, with the interface index of a link-local one; undefined for other families. */
export function decodeSockaddr(
  { constants: c }: Numbers,
  bytes: Uint8Array,
): (Endpoint & { readonly scope: number }) | undefined {
  if (bytes.length < 2) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const number = c.SOCKADDR_HAS_LENGTH ? bytes[1] : view.getUint16(0, LITTLE);
  if (number === c.AF_INET && bytes.length >= 8)
    return { family: 4, address: formatAddress(bytes.subarray(4, 8)), port: view.getUint16(2), scope: 0 };
  if (number !== c.AF_INET6 || bytes.length < BYTES[6]) return undefined;
  const address = bytes.slice(8, 24);
  const linkLocal = address[0] === 0xfe && ((address[1] ?? 0) & 0xc0) === 0x80;
  // The kernels that descend from KAME keep a link-local address's interface in its second pair of bytes, and some calls show it.
  const embedded = linkLocal && c.SOCKADDR_HAS_LENGTH ? new DataView(address.buffer).getUint16(2) : 0;
  if (embedded !== 0) address.fill(0, 2, 4);
  return {
    family: 6,
    address: formatAddress(address),
    port: view.getUint16(2),
    scope: view.getUint32(24, LITTLE) || embedded,
  };
}

/** An int option's value. */
export function int32(value: number): Uint8Array {
  const result = new Uint8Array(4);
  new DataView(result.buffer).setInt32(0, value, LITTLE);
  return result;
}
