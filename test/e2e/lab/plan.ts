/** The laboratory's addresses and links: a pure plan made from a spec. */
import type { NatKind, SideSpec } from './spec.js';
import { PROBE_PORTS, WIREGUARD_PORT } from './spec.js';

/** Addresses of one router's two sides. */
export interface RouterPlan {
  readonly namespace: string;
  readonly kind: NatKind;
  /** Its own address on the outer side, without prefix. */
  readonly wanAddress: string;
  readonly wanGateway: string;
  readonly lanAddress: string;
  readonly lanPrefix: number;
  /** The address that its forwardings lead to: the host, or the next router inwards. */
  readonly insideAddress: string;
  readonly ipv4: boolean;
  readonly ipv6?: {
    readonly filter: 'stateful' | 'open';
    readonly wanAddress: string;
    readonly wanGateway: string;
    readonly lanAddress: string;
    /** Networks further in, reached by the next router. */
    readonly inside?: { readonly prefix: string; readonly via: string };
  };
  /** Ports that full and restricted NATs forward. */
  readonly ports: readonly number[];
}

export interface SidePlan {
  readonly name: string;
  readonly index: number;
  readonly namespace: string;
  readonly device: string;
  readonly listenPort: number;
  readonly hostAddress: string;
  readonly hostPrefix: number;
  readonly hostAddress6: string;
  readonly tunnelAddress: string;
  readonly tunnelAddress6: string;
  /** From the host outwards. */
  readonly routers: readonly RouterPlan[];
  readonly spec: SideSpec;
}

/** The outside port that full and restricted NATs give an inside port. */
export function mappedPort(port: number): number {
  return port - 10_000;
}

/** The address on the public network of a side's outermost router; `moves` counts the changes of address. */
export function wanAddress(index: number, moves = 0): string {
  return `203.0.113.${11 + index + 20 * moves}`;
}

/** The WireGuard device of a host's namespace: at most 15 characters, unlike those of other laboratories. */
export function deviceName(namespace: string): string {
  return `wg${namespace.replace(/^stl-|-/g, '')}`.slice(0, 15);
}

export function planSide(labName: string, name: string, index: number, spec: SideSpec): SidePlan {
  if (!/^[a-z0-9]{1,6}$/.test(name)) throw new Error(`side ${name}: one to six lower-case letters and digits`);
  const nats = spec.nats ?? ['port-restricted'];
  if (nats.length < 1 || nats.length > 2) throw new Error(`side ${name}: one or two NATs, not ${nats.length}`);
  if (nats.length === 2 && nats.includes('none')) throw new Error(`side ${name}: 'none' cannot be one of two NATs`);
  const wireguard = spec.wireguard === false ? undefined : spec.wireguard;
  const listenPort = wireguard?.listenPort ?? WIREGUARD_PORT;
  const open = nats[0] === 'none';
  const hostNetwork = open ? `198.51.100.${16 * index}` : `192.168.${11 + index}.0`;
  const hostPrefix = open ? 28 : 24;
  const hostAddress = hostNetwork.replace(/\d+$/, (last) => String(Number(last) + 2));
  const prefix6 = `2001:db8:${index + 1}`;
  const hostAddress6 = `${prefix6}:1::2`;
  const double = nats.length === 2;
  const routers = nats.map((kind, depth): RouterPlan => {
    const outermost = depth === nats.length - 1;
    const inner = depth === 0;
    return {
      namespace: `${labName}-${name}${depth}`,
      kind,
      wanAddress: outermost ? wanAddress(index) : `100.64.${index}.2`,
      wanGateway: outermost ? '203.0.113.1' : `100.64.${index}.1`,
      lanAddress: inner ? hostNetwork.replace(/\d+$/, (last) => String(Number(last) + 1)) : `100.64.${index}.1`,
      lanPrefix: inner ? hostPrefix : 24,
      insideAddress: inner ? hostAddress : `100.64.${index}.2`,
      ipv4: spec.ipv4 ?? true,
      ...(spec.ipv6 !== undefined && {
        ipv6: {
          filter: spec.ipv6,
          wanAddress: outermost ? `2001:db8:ffff::${11 + index}` : `${prefix6}:64::2`,
          wanGateway: outermost ? '2001:db8:ffff::1' : `${prefix6}:64::1`,
          lanAddress: inner ? `${prefix6}:1::1` : `${prefix6}:64::1`,
          ...(outermost && double && { inside: { prefix: `${prefix6}:1::/64`, via: `${prefix6}:64::2` } }),
        },
      }),
      // The inner of two full or restricted NATs already shows the outer one its mapped port.
      ports: [listenPort, ...PROBE_PORTS].map((port) =>
        outermost && double && (nats[0] === 'full' || nats[0] === 'restricted') ? mappedPort(port) : port,
      ),
    };
  });
  return {
    name,
    index,
    namespace: `${labName}-${name}`,
    device: deviceName(`${labName}-${name}`),
    listenPort,
    hostAddress,
    hostPrefix,
    hostAddress6,
    tunnelAddress: `10.99.0.${index + 1}`,
    tunnelAddress6: `fd99::${index + 1}`,
    routers,
    spec,
  };
}
