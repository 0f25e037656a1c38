/** Chooses the address inside the tunnel to which one small packet makes WireGuard shake hands (F18c); pure. */
import type { Peer, PublicKey } from '../../api/index.js';
import { contains, formatAddress, type Prefix, parseAddress, parsePrefix, refusedAddress } from '../../net/index.js';

/** How many addresses of a prefix are tried before the next prefix. */
const TRIES = 64;

export interface InnerAddressInput {
  readonly peer: Peer;
  /** All peers of the device, for the longest-prefix rule. */
  readonly peers: ReadonlyMap<PublicKey, Peer>;
  /** The ping target, when it is a numeric address. */
  readonly pingTarget?: string;
  /** The device's own addresses with their prefix lengths, "10.0.0.1/24". */
  readonly deviceAddresses: readonly string[];
}

/** Addresses that WireGuard would route to this peer, best first: the ping target, a host prefix, one of the device's own subnet, any other. */
export function innerAddresses(input: InnerAddressInput): readonly string[] {
  const owner = ownerOf(input.peers);
  const own = input.deviceAddresses.flatMap((text) => parsePrefix(text) ?? []);
  const usable = (address: Uint8Array) =>
    owner(address) === input.peer.publicKey &&
    refusedAddress(address) === undefined &&
    !own.some((prefix) => formatAddress(prefix.bytes) === formatAddress(address));

  const targets: string[] = [];
  const add = (address: Uint8Array | undefined) => {
    if (address && usable(address) && !targets.includes(formatAddress(address))) targets.push(formatAddress(address));
  };
  if (input.pingTarget !== undefined) add(parseAddress(input.pingTarget));
  const prefixes = input.peer.allowedIps.flatMap((text) => parsePrefix(text) ?? []);
  for (const prefix of prefixes) if (prefix.length === prefix.bytes.length * 8) add(prefix.bytes);
  for (const prefix of prefixes) for (const subnet of own) add(firstUsable(narrower(prefix, subnet), usable));
  for (const prefix of prefixes) add(firstUsable(prefix, usable));
  // IPv4 needs no route to leave by the device, IPv6 does: the certain ones first.
  return targets.sort((a, b) => Number(a.includes(':')) - Number(b.includes(':')));
}

type Owner = (address: Uint8Array) => PublicKey | undefined;

/** Routing tables by the reading they were made from: a thousand peers triggered after one reading share one. */
const owners = new WeakMap<ReadonlyMap<PublicKey, Peer>, Owner>();

function ownerOf(peers: ReadonlyMap<PublicKey, Peer>): Owner {
  const owner = owners.get(peers) ?? createOwner(peers.values());
  owners.set(peers, owner);
  return owner;
}

/** WireGuard's cryptokey routing: the peer with the longest prefix that covers the address. */
function createOwner(peers: Iterable<Peer>): Owner {
  const tables = new Map<
    string,
    { readonly length: number; readonly bytes: number; readonly keys: Map<string, PublicKey> }
  >();
  for (const peer of peers) {
    for (const text of peer.allowedIps) {
      const prefix = parsePrefix(text);
      if (!prefix) continue;
      const name = `${prefix.bytes.length}/${prefix.length}`;
      const table = tables.get(name) ?? { length: prefix.length, bytes: prefix.bytes.length, keys: new Map() };
      tables.set(name, table);
      table.keys.set(masked(prefix.bytes, prefix.length), peer.publicKey);
    }
  }
  const longestFirst = [...tables.values()].sort((a, b) => b.length - a.length);
  return (address) => {
    for (const { length, bytes, keys } of longestFirst) {
      const key = bytes === address.length ? keys.get(masked(address, length)) : undefined;
      if (key !== undefined) return key;
    }
    return undefined;
  };
}

/** The first `length` bits of an address, as a map's key. */
function masked(address: Uint8Array, length: number): string {
  return Buffer.from(plus({ bytes: address, length }, 0)).toString('hex');
}

/** The smaller of two prefixes where one lies in the other; undefined when they are apart. */
function narrower(a: Prefix, b: Prefix): Prefix | undefined {
  const [wide, narrow] = a.length <= b.length ? [a, b] : [b, a];
  return contains(wide, narrow.bytes) ? narrow : undefined;
}

function firstUsable(prefix: Prefix | undefined, usable: (address: Uint8Array) => boolean): Uint8Array | undefined {
  if (!prefix) return undefined;
  const hostBits = prefix.bytes.length * 8 - prefix.length;
  const count = hostBits >= 6 ? TRIES : 2 ** hostBits;
  // The network's own address and the broadcast address of a small IPv4 net are no hosts.
  for (let i = hostBits > 1 ? 1 : 0; i < count; i += 1) {
    const address = plus(prefix, i);
    if (usable(address)) return address;
  }
  return undefined;
}

function plus(prefix: Prefix, offset: number): Uint8Array {
  const bytes = Uint8Array.from(prefix.bytes);
  for (let bit = prefix.length; bit < bytes.length * 8; bit += 1) {
    const at = bit >> 3;
    bytes[at] = (bytes[at] ?? 0) & ~(0x80 >> (bit & 7));
  }
  if (offset > 0) bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) | offset;
  return bytes;
}
