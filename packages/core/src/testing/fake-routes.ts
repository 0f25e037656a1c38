/** The interfaces of a fake host, and its routes: by address, and by the mark, table and interface of the packets. */
import type { NetInterface, Route } from '../api/index.js';

export const DEFAULT_INTERFACES: readonly NetInterface[] = [
  {
    name: 'lo',
    index: 1,
    up: true,
    loopback: true,
    addresses: [
      { family: 4, address: '127.0.0.1', prefixLength: 8 },
      { family: 6, address: '::1', prefixLength: 128 },
    ],
  },
  {
    name: 'eth0',
    index: 2,
    up: true,
    loopback: false,
    addresses: [
      { family: 4, address: '192.168.1.2', prefixLength: 24 },
      { family: 6, address: '2001:db8:1::2', prefixLength: 64 },
    ],
  },
];

/** Which packets a route is for; what is not named may be anything. */
export interface RoutedPackets {
  /** Bound to this interface. */
  readonly device?: string;
  readonly firewallMark?: number;
  /** In this routing table; 0: the default one. */
  readonly fib?: number;
}

interface Rule {
  readonly of: RoutedPackets;
  /** undefined: there is none. */
  readonly route: Route | undefined;
}

export interface FakeRoutes {
  set(to: string, route: Route | undefined, of?: RoutedPackets): void;
  /** What was said of such a packet; undefined: nothing. */
  find(to: string, packet: RoutedPackets): Rule | undefined;
}

export function createFakeRoutes(): FakeRoutes {
  const rules = new Map<string, Rule[]>();
  return {
    set(to, route, of = {}) {
      rules.set(to, [{ of, route }, ...(rules.get(to) ?? [])]);
    },
    find: (to, packet) =>
      (rules.get(to) ?? [])
        .filter(({ of }) => holds(of, packet))
        .toSorted((a, b) => Object.keys(b.of).length - Object.keys(a.of).length)[0],
  };
}

/** Whether a packet is one of those. */
function holds(of: RoutedPackets, { device, firewallMark = 0, fib = 0 }: RoutedPackets): boolean {
  return (
    (of.device ?? device) === device && (of.firewallMark ?? firewallMark) === firewallMark && (of.fib ?? fib) === fib
  );
}
