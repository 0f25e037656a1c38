/** The routes of a fake network: by address, and by the mark, table and interface of the packets. */
import type { Route } from '../api/index.js';

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
