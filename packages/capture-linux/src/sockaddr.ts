/** Socket addresses as Linux's C structures (ip(7), ipv6(7), netlink(7)), and integers as its options take them. */
import { endianness } from 'node:os';
import type { Endpoint } from '@stunmesh/core/api';
import { formatAddress, parseAddress } from '@stunmesh/core/net';

const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
/** Of this machine. */
export const BYTE_ORDER = endianness();
export const LITTLE = BYTE_ORDER === 'LE';

/** A sockaddr_in or sockaddr_in6; `scope` is an interface index, for link-local addresses. Errors: RangeError for text that is no address. */
export function encodeSockaddr(address: string, port: number, scope = 0): Uint8Array {
  const bytes = parseAddress(address);
  if (!bytes) throw new RangeError(`${address} is not an IP address`);
  const four = bytes.length === 4;
  const result = new Uint8Array(four ? 16 : 28);
  const view = new DataView(result.buffer);
  view.setUint16(0, four ? AF_INET : AF_INET6, LITTLE);
  view.setUint16(2, port);
  result.set(bytes, four ? 4 : 8);
  if (!four) view.setUint32(24, scope, LITTLE);
  return result;
}

/** The address and port in a sockaddr_in or sockaddr_in6, with the interface index of a link-local one; undefined for other families. */
export function decodeSockaddr(bytes: Uint8Array): (Endpoint & { readonly scope: number }) | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const family = bytes.length < 2 ? 0 : view.getUint16(0, LITTLE);
  if (family === AF_INET && bytes.length >= 8)
    return { family: 4, address: formatAddress(bytes.subarray(4, 8)), port: view.getUint16(2), scope: 0 };
  if (family === AF_INET6 && bytes.length >= 28)
    return {
      family: 6,
      address: formatAddress(bytes.subarray(8, 24)),
      port: view.getUint16(2),
      scope: view.getUint32(24, LITTLE),
    };
  return undefined;
}

/** A sockaddr_nl: the kernel (port 0), or our own end with its multicast groups. */
export function encodeNetlinkAddress(groups = 0): Uint8Array {
  const result = new Uint8Array(12);
  const view = new DataView(result.buffer);
  view.setUint16(0, AF_NETLINK, LITTLE);
  view.setUint32(8, groups, LITTLE);
  return result;
}

/** An int option's value. */
export function int32(value: number): Uint8Array {
  const result = new Uint8Array(4);
  new DataView(result.buffer).setInt32(0, value, LITTLE);
  return result;
}
