/** The network interfaces of this host, and those of them that packets of the underlay come in by. */
import { readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import path from 'node:path';
import { type NetInterface, StunmeshError } from '@stunmesh/core/api';
import { decodeSockaddr } from '@stunmesh/core/capture-kit';
import { formatAddress, parseAddress } from '@stunmesh/core/net';
import type { Native } from './native.js';

/** FreeBSD's group of if_wg's interfaces, whatever they are called. */
const WIREGUARD_GROUP = 'wg';
/** Userspace WireGuard's sockets, NAME.sock, and wg-quick's files on macOS, NAME.name, which hold the real name. */
const WIREGUARD_FOLDER = '/var/run/wireguard';

/** An interface, and whether it is a WireGuard device, as far as can be told. */
export interface KnownInterface extends NetInterface {
  readonly wireguard: boolean;
}

/** All interfaces, also those that are down. Errors: SystemError. */
export function listInterfaces(native: Native, wireguardFolder = WIREGUARD_FOLDER): readonly KnownInterface[] {
  const { constants: c } = native;
  const prefixes = readPrefixLengths();
  const userspace = wireguardNames(wireguardFolder);
  return native.listInterfaces().map(({ name, index, flags, groups, addresses }) => ({
    name,
    index,
    up: (flags & c.IFF_UP) !== 0,
    loopback: (flags & c.IFF_LOOPBACK) !== 0,
    wireguard: groups.includes(WIREGUARD_GROUP) || /^wg\d+$/.test(name) || userspace.has(name),
    addresses: addresses.flatMap((bytes) => {
      const found = decodeSockaddr(native, bytes);
      if (!found) return [];
      const { family, address } = found;
      return [{ family, address, prefixLength: prefixes.get(address) ?? (family === 4 ? 32 : 128) }];
    }),
  }));
}

/** By canonical address; the two lists come from the same call of the system, of which the addon's lacks the netmasks. */
function readPrefixLengths(): ReadonlyMap<string, number> {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return new Map(
    all.flatMap(({ address, cidr }) => {
      const bytes = parseAddress(address);
      return bytes && cidr ? [[formatAddress(bytes), Number(cidr.slice(cidr.lastIndexOf('/') + 1))] as const] : [];
    }),
  );
}

function wireguardNames(folder: string): ReadonlySet<string> {
  const names = new Set<string>();
  let files: readonly string[];
  try {
    files = readdirSync(folder);
  } catch {
    return names;
  }
  for (const file of files) {
    const { name, ext } = path.parse(file);
    if (ext === '.sock') names.add(name);
    else if (ext === '.name')
      try {
        names.add(readFileSync(path.join(folder, file), 'utf8').trim());
      } catch {
        // Gone since: so is its device.
      }
  }
  return names;
}

/** Logs and taps of the kernel's own, up on many a firewall: pf's log and state sync, IPsec before and after, USB, ipfw's log. */
const NO_NETWORK = /^(pflog|pfsync|enc|usbus|ipfw)\d+$/;

export interface UnderlayChoice {
  /** The WireGuard device that is served. */
  readonly excludeDevice: string;
  /** Names from the configuration; empty: none named. */
  readonly named: readonly string[];
  /** Those that the default routes leave by; undefined: not asked for. */
  readonly byDefaultRoute?: readonly string[];
}

export interface Underlay {
  /** To capture on: up, and neither loopback nor WireGuard. */
  readonly names: readonly string[];
  /** Names that no interface has. */
  readonly missing: readonly string[];
}

/** The union of those named and those of the default routes; all where neither is wanted, or where the default routes leave by the tunnel. */
export function chooseUnderlay(list: readonly KnownInterface[], choice: UnderlayChoice): Underlay {
  const { excludeDevice, named, byDefaultRoute } = choice;
  const usable = list.filter((i) => i.up && !i.loopback && !i.wireguard && i.name !== excludeDevice);
  const missing = named.filter((name) => !list.some((i) => i.name === name));
  const wanted = new Set([...named, ...(byDefaultRoute ?? [])]);
  const chosen = usable.filter((i) => wanted.has(i.name));
  const all = usable.filter((i) => !NO_NETWORK.test(i.name));
  const restricted = named.length > 0 || (byDefaultRoute !== undefined && chosen.length > 0);
  // PPPoE, tun and LTE interfaces are the usual ways out of a firewall: point-to-point ones stay.
  return { names: (restricted ? chosen : all).map((i) => i.name), missing };
}

/** For names that no interface has. */
export function missingError(missing: readonly string[], list: readonly KnownInterface[]): StunmeshError {
  const there = list.filter((i) => !i.loopback && !i.wireguard).map((i) => i.name);
  const verb = missing.length === 1 ? 'is no interface' : 'are no interfaces';
  return new StunmeshError(
    'ERR_CAPTURE_INTERFACE',
    `listen_interfaces: ${missing.join(', ')} ${verb} of this host; there are ${there.join(', ') || 'none'}`,
    { details: { missing: missing.join(' ') } },
  );
}
