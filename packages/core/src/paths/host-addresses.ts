/** Which addresses of this host a peer on the same network may reach it at; pure. */
import type { Endpoint, Family, NetInterface } from '../api/index.js';
import { isCarrierRange, isPrivate } from '../nat/filtering.js';
import { contains, createEndpoint, isLinkLocal, type Prefix, parseAddress } from '../net/index.js';

/** So many are told in a record. */
const MOST: Readonly<Record<Family, number>> = { 4: 2, 6: 1 };

/** Networks that exist inside this host alone, or lead into a tunnel: containers, virtual machines, VPNs. OpenWrt's `br-lan` is none. */
const INSIDE =
  /^(?:docker|br-[0-9a-f]{12}$|veth|virbr|vnet|vmnet|vboxnet|lxc|lxd|incusbr|cni|flannel|cali|kube|nerdctl|podman|weave|cilium|antrea|ovs|ovn|vxlan|geneve|wg|wt[0-9]|tun|tap|utun|tailscale|zt|nebula|nordlynx|ppp|ipsec|gif|gre|sit|ip6tnl|dummy|bridge1[0-9]{2}$|awdl|llw)/;

export interface HostAddress {
  readonly endpoint: Endpoint;
  readonly interface: string;
}

export interface HostAddressRules {
  readonly listenPort: number;
  readonly families: ReadonlySet<Family>;
  /** Kernel names of this host's WireGuard devices, this one included. */
  readonly tunnels: ReadonlySet<string>;
  /** What leaves for the internet, by family: the interface, and the source address. */
  readonly defaultRoutes: ReadonlyMap<Family, { readonly interface: string; readonly source: string }>;
  /** Addresses that are told already, as STUN sees them. */
  readonly told: ReadonlySet<string>;
}

/** The best first: those of the default route's interface, its source before others; one of each network before a second one. */
export function hostAddresses(interfaces: readonly NetInterface[], rules: HostAddressRules): readonly HostAddress[] {
  const found: {
    readonly address: HostAddress;
    readonly bytes: Uint8Array;
    readonly network: Prefix;
    readonly rank: number;
  }[] = [];
  const own = new Set(interfaces.flatMap(({ addresses }) => addresses.map(({ address }) => address)));
  // Where IPv6 needs no NAT peers on the same link meet at the address that STUN sees.
  const openSix = [...rules.told].some((address) => address.includes(':') && own.has(address));
  for (const one of interfaces) {
    const outer = [...rules.defaultRoutes.values()].some((route) => route.interface === one.name);
    // What leaves for the internet by such a name is a link after all, but for a tunnel of ours.
    if (!one.up || one.loopback || rules.tunnels.has(one.name) || (INSIDE.test(one.name) && !outer)) continue;
    for (const { family, address, prefixLength } of one.addresses) {
      if (!rules.families.has(family) || rules.told.has(address) || isLinkLocal(address)) continue;
      if (!isPrivate(address) && (family === 4 ? !isCarrierRange(address) : openSix)) continue;
      const bytes = parseAddress(address);
      // Nobody shares a link of a single address; a cloud's machine has one where it has its default route.
      if (!bytes || (prefixLength === bytes.length * 8 && !outer)) continue;
      const route = rules.defaultRoutes.get(family);
      const rank = route?.source === address ? 0 : route?.interface === one.name ? 1 : outer ? 2 : 3;
      const network: Prefix = { bytes, length: prefixLength };
      found.push({
        address: { endpoint: createEndpoint(bytes, rules.listenPort), interface: one.name },
        bytes,
        network,
        rank,
      });
    }
  }
  const sorted = found.toSorted((a, b) => a.rank - b.rank);
  // A second address in the same network reaches nobody whom the first does not: another link comes before it.
  const isSecond = ({ address, bytes }: (typeof found)[0], i: number) =>
    sorted.findIndex((one) => one.address.interface === address.interface && contains(one.network, bytes)) < i;
  const ranked = [...sorted.filter((one, i) => !isSecond(one, i)), ...sorted.filter(isSecond)].map(
    ({ address }) => address,
  );
  return ([4, 6] as const).flatMap((family) =>
    ranked.filter(({ endpoint }) => endpoint.family === family).slice(0, MOST[family]),
  );
}
