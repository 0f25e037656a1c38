/** Which packets a tunnel would swallow: where a device's allowed IPs take over the default way, other traffic needs its mark to get past it; pure. */
import { contains, type Prefix, parseAddress, parsePrefix } from '../net/index.js';

/** What is asked of a device; api's Device is one. */
export interface TunnelDevice {
  readonly name: string;
  /** 0: none. */
  readonly firewallMark: number;
  readonly peers: ReadonlyMap<unknown, { readonly allowedIps: readonly string[] }>;
}

/** What hosts on the internet have addresses in: all of IPv4, the global unicast addresses of IPv6 (RFC 4291 section 2.4, IANA). */
const WORLD = ['0.0.0.0/0', '2000::/3'].flatMap((text) => parsePrefix(text) ?? []);
/** Lists that leave private networks out cover less than all. */
const MOST = 0.5;
const LOOPBACK = ['127.0.0.0/8', '::1/128'].flatMap((text) => parsePrefix(text) ?? []);

/** What hosts inside a tunnel mostly have: RFC 1918, and the unique local addresses of RFC 4193. */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'].flatMap(
  (text) => parsePrefix(text) ?? [],
);

/** Whether a host with this address may be inside a tunnel, so that its mark would lead past it. */
export function mayBeInside(address: string): boolean {
  const bytes = parseAddress(address);
  return bytes !== undefined && PRIVATE.some((range) => contains(range, bytes));
}

/** The mark by which a packet to `address` gets past every tunnel that takes over the default way: that of the device whose allowed
 * IPs hold the address by the longest prefix, the first of equals; 0: none is needed, or the device has none. */
export function markTo(address: string, devices: Iterable<TunnelDevice>): number {
  const bytes = parseAddress(address);
  if (!bytes || LOOPBACK.some((range) => contains(range, bytes))) return 0;
  let best: { readonly length: number; readonly device: TunnelDevice; readonly all: readonly Prefix[] } | undefined;
  for (const device of devices) {
    const all = prefixesOf(device);
    const lengths = all.filter((prefix) => contains(prefix, bytes)).map((prefix) => prefix.length);
    const length = Math.max(...lengths);
    if (lengths.length > 0 && (best === undefined || length > best.length)) best = { length, device, all };
  }
  return best && takesOver(best.all, bytes.length) ? best.device.firewallMark : 0;
}

/** The first device with a mark that takes over the default way in some family; undefined: there is none. */
export function fullTunnel(devices: Iterable<TunnelDevice>): TunnelDevice | undefined {
  for (const device of devices) {
    const all = prefixesOf(device);
    if (device.firewallMark !== 0 && (takesOver(all, 4) || takesOver(all, 16))) return device;
  }
  return undefined;
}

function prefixesOf({ peers }: TunnelDevice): readonly Prefix[] {
  return [...peers.values()].flatMap(({ allowedIps }) => allowedIps.flatMap((text) => parsePrefix(text) ?? []));
}

/** Whether these prefixes hold most of the addresses of the family with this many bytes. */
function takesOver(prefixes: readonly Prefix[], bytes: number): boolean {
  const world = WORLD.find((range) => range.bytes.length === bytes);
  if (!world) return false;
  let share = 0;
  // Shorter ones first: what lies inside one that counted counts no more. Peers' own addresses are far too many to compare, and too small to matter.
  const large = prefixes.filter((prefix) => prefix.bytes.length === bytes && prefix.length <= world.length + 16);
  const counted: Prefix[] = [];
  for (const prefix of large.toSorted((a, b) => a.length - b.length)) {
    if (prefix.length <= world.length ? !contains(prefix, world.bytes) : !contains(world, prefix.bytes)) continue;
    if (counted.some((other) => contains(other, prefix.bytes))) continue;
    counted.push(prefix);
    share += 2 ** -Math.max(0, prefix.length - world.length);
  }
  return share > MOST;
}
