/** The laboratory's addresses and links: a pure plan made from a spec. */
import type { NatKind, SideSpec } from './spec.js';
import { PROBE_PORTS, WIREGUARD_PORT } from './spec.js';

/** Addresses of one router's two sides. */
export interface RouterPlan {
  readonly namespace: string;
  readonly kind: NatKind;
  /** Of the side that it was made for: its number on the public network. */
  readonly index: number;
  /** Its own address on the outer side, without prefix. */
  readonly wanAddress: string;
  readonly wanGateway: string;
  readonly lanAddress: string;
  readonly lanPrefix: number;
  /** What is plugged in on the inner side, by namespace; interface `lan` is the link itself, or a bridge where there are several. */
  readonly lanPorts: { readonly namespace: string; readonly device: string }[];
  /** The addresses that its forwardings lead to: hosts, or the next routers inwards. */
  readonly insides: string[];
  readonly ipv4: boolean;
  readonly hairpin: boolean;
  /** An early packet from outside gets an entry of its own. */
  readonly accepts: boolean;
  /** Of sequential NATs. */
  readonly step: number;
  readonly ipv6?: {
    readonly filter: 'stateful' | 'open';
    readonly wanAddress: string;
    readonly wanGateway: string;
    readonly lanAddress: string;
    /** Networks further in, reached by the next routers. */
    readonly inside: { readonly prefix: string; readonly via: string }[];
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
  /** From the host outwards; the same objects where sides share them. */
  readonly routers: readonly RouterPlan[];
  readonly decoy?: { readonly namespace: string; readonly address: string };
  readonly spec: SideSpec;
}

/** The outside port that full and restricted NATs give an inside port of the nth address behind them. */
export function mappedPort(port: number, nth = 0): number {
  return port - 10_000 - 1_000 * nth;
}

/** The address on the public network of a side's outermost router; `moves` counts the changes of address. */
export function wanAddress(index: number, moves = 0): string {
  return `203.0.113.${11 + index + 20 * moves}`;
}

/** The WireGuard device of a host's namespace: at most 15 characters, unlike those of other laboratories. */
export function deviceName(namespace: string): string {
  return `wg${namespace.replace(/^stl-|-/g, '')}`.slice(0, 15);
}

/** `network` with another last number. */
function within(network: string, number: number): string {
  return network.replace(/\d+$/, String(number));
}

export function outermost(side: SidePlan): RouterPlan {
  const router = side.routers.at(-1);
  if (router === undefined) throw new Error(`side ${side.name} has no router`);
  return router;
}

/** The routers on the public network, each once. */
export function outermostOf(sides: readonly SidePlan[]): readonly RouterPlan[] {
  return [...new Set(sides.map(outermost))];
}

/** Every router once. */
export function routersOf(sides: readonly SidePlan[]): readonly RouterPlan[] {
  return [...new Set(sides.flatMap((side) => side.routers))];
}

export function planSides(labName: string, specs: Readonly<Record<string, SideSpec>>): readonly SidePlan[] {
  const plans: SidePlan[] = [];
  const before = (name: string, other: string): SidePlan => {
    const plan = plans.find((candidate) => candidate.name === other);
    if (plan === undefined) throw new Error(`side ${name}: there is no side ${other} before it`);
    return plan;
  };
  for (const [name, spec] of Object.entries(specs)) {
    if (!/^[a-z0-9]{1,6}$/.test(name)) throw new Error(`side ${name}: one to six lower-case letters and digits`);
    const side: Side = { labName, name, index: plans.length, spec };
    plans.push(
      spec.beside === undefined
        ? planAlone(side, spec.carrier === undefined ? undefined : before(name, spec.carrier))
        : planBeside(side, before(name, spec.beside)),
    );
  }
  return plans;
}

interface Side {
  readonly labName: string;
  readonly name: string;
  readonly index: number;
  readonly spec: SideSpec;
}

/** A host in another one's network. */
function planBeside(side: Side, other: SidePlan): SidePlan {
  const [router] = other.routers;
  if (router === undefined || router.kind === 'none' || side.spec.nats !== undefined || side.spec.carrier !== undefined)
    throw new Error(`side ${side.name}: beside a host behind a NAT, without NATs of its own`);
  const number = side.spec.number ?? router.lanPorts.length + 2;
  return planHost(side, {
    routers: other.routers,
    hostAddress: within(other.hostAddress, number),
    hostPrefix: other.hostPrefix,
    hostAddress6: other.hostAddress6.replace(/\d+$/, String(number)),
  });
}

function planAlone(side: Side, carrier: SidePlan | undefined): SidePlan {
  const { name, index, spec } = side;
  const nats = [...(spec.nats ?? ['port-restricted'])];
  const shared = carrier && outermost(carrier);
  if (carrier && (carrier.routers.length !== 2 || nats.length !== 1 || nats.includes('none')))
    throw new Error(`side ${name}: one NAT of its own, behind the carrier's of a side with two`);
  if (shared) nats.push(shared.kind);
  if (nats.length < 1 || nats.length > 2) throw new Error(`side ${name}: one or two NATs, not ${nats.length}`);
  if (nats.length === 2 && nats.includes('none')) throw new Error(`side ${name}: 'none' cannot be one of two NATs`);
  const open = nats[0] === 'none';
  const network = open ? `198.51.100.${16 * index}` : (spec.lan ?? `192.168.${11 + index}.0`);
  const first = open ? 16 * index : 0;
  const hostPrefix = open ? 28 : 24;
  const hostAddress = within(network, first + (spec.number ?? 2));
  const prefix6 = `2001:db8:${index + 1}`;
  const link = planLink(index, shared);
  const inner = planRouter(side, nats, 0, {
    ...(nats.length === 2 ? link.inner : outerSide(index)),
    lanAddress: within(network, first + 1),
    lanPrefix: hostPrefix,
    lanAddress6: `${prefix6}:1::1`,
  });
  const routers = [inner];
  if (nats.length === 2) {
    const outer = shared ?? planRouter(side, nats, 1, { ...outerSide(index), ...link.outer });
    outer.lanPorts.push({ namespace: inner.namespace, device: 'wan' });
    outer.insides.push(inner.wanAddress);
    outer.ipv6?.inside.push({ prefix: `${prefix6}:1::/64`, via: link.inner.wanAddress6 });
    routers.push(outer);
  }
  return planHost(side, { routers, hostAddress, hostPrefix, hostAddress6: `${prefix6}:1::${spec.number ?? 2}` });
}

interface RouterAddresses {
  readonly wanAddress: string;
  readonly wanGateway: string;
  readonly wanAddress6: string;
  readonly wanGateway6: string;
  readonly lanAddress: string;
  readonly lanPrefix: number;
  readonly lanAddress6: string;
}

/** On the public network. */
function outerSide(index: number) {
  return {
    wanAddress: wanAddress(index),
    wanGateway: '203.0.113.1',
    wanAddress6: `2001:db8:ffff::${11 + index}`,
    wanGateway6: '2001:db8:ffff::1',
  };
}

/** The network between two NATs, the carrier's own or the one that it has already. */
function planLink(index: number, shared: RouterPlan | undefined) {
  const of = shared?.index ?? index;
  const number = (shared?.lanPorts.length ?? 0) + 2;
  const [network, network6] = [`100.64.${of}`, `2001:db8:${of + 1}:64::`];
  return {
    inner: {
      wanAddress: `${network}.${number}`,
      wanGateway: `${network}.1`,
      wanAddress6: `${network6}${number}`,
      wanGateway6: `${network6}1`,
    },
    outer: { lanAddress: `${network}.1`, lanPrefix: 24, lanAddress6: `${network6}1` },
  };
}

function planRouter(
  { labName, name, index, spec }: Side,
  nats: readonly NatKind[],
  depth: number,
  at: RouterAddresses,
): RouterPlan {
  const forwardsShown = depth === 1 && (nats[0] === 'full' || nats[0] === 'restricted');
  return {
    namespace: `${labName}-${name}${depth}`,
    kind: nats[depth] ?? 'none',
    index,
    wanAddress: at.wanAddress,
    wanGateway: at.wanGateway,
    lanAddress: at.lanAddress,
    lanPrefix: at.lanPrefix,
    lanPorts: [],
    insides: [],
    ipv4: spec.ipv4 ?? true,
    hairpin: spec.hairpin ?? false,
    accepts: nats[depth] === 'accept' || (depth === 0 && spec.accepts === true),
    step: spec.step ?? 1,
    ...(spec.ipv6 !== undefined && {
      ipv6: {
        filter: spec.ipv6,
        wanAddress: at.wanAddress6,
        wanGateway: at.wanGateway6,
        lanAddress: at.lanAddress6,
        inside: [],
      },
    }),
    // The inner of two full or restricted NATs already shows the outer one its mapped port.
    ports: [listenPort(spec), ...PROBE_PORTS].map((port) => (forwardsShown ? mappedPort(port) : port)),
  };
}

function listenPort(spec: SideSpec): number {
  return (spec.wireguard === false ? undefined : spec.wireguard?.listenPort) ?? WIREGUARD_PORT;
}

function planHost(
  { labName, name, index, spec }: Side,
  at: Pick<SidePlan, 'routers' | 'hostAddress' | 'hostPrefix' | 'hostAddress6'>,
): SidePlan {
  const namespace = `${labName}-${name}`;
  const [router] = at.routers;
  router?.lanPorts.push({ namespace, device: 'eth0' });
  router?.insides.push(at.hostAddress);
  const decoy =
    spec.decoy === undefined
      ? undefined
      : { namespace: `${namespace}-decoy`, address: within(at.hostAddress, spec.decoy) };
  if (decoy) router?.lanPorts.push({ namespace: decoy.namespace, device: 'eth0' });
  return {
    name,
    index,
    namespace,
    device: deviceName(namespace),
    listenPort: listenPort(spec),
    ...at,
    tunnelAddress: `10.99.0.${index + 1}`,
    tunnelAddress6: `fd99::${index + 1}`,
    ...(decoy && { decoy }),
    spec,
  };
}
