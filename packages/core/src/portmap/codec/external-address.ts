/** Which external addresses a router may say that it has (F50); pure. */
import { contains, parseAddress, parsePrefix, refusedAddress } from '../../net/index.js';

/** RFC 1918, RFC 6598 (carriers' NATs), link-local, IETF assignments (RFC 6890), reserved. */
const PRIVATE = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '240.0.0.0/4',
].flatMap((text) => parsePrefix(text) ?? []);
const GLOBAL6 = ['2000::/3'].flatMap((text) => parsePrefix(text) ?? []);

export type ExternalAddressKind = 'public' | 'private' | 'unusable';

/** private: another NAT stands before the router. unusable: nobody's address. */
export function externalAddressKind(text: string): ExternalAddressKind {
  const address = parseAddress(text);
  if (!address || refusedAddress(address) !== undefined) return 'unusable';
  const inside = address.length === 4 ? PRIVATE.some((range) => contains(range, address)) : !isGlobal(address);
  return inside ? 'private' : 'public';
}

function isGlobal(address: Uint8Array): boolean {
  return GLOBAL6.some((range) => contains(range, address));
}
