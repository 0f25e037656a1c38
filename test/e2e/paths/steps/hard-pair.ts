/** A pair with a hard NAT: its search counted from the beginning of its slot, and what it costs the routers. */
import { type Host, type Lab, type LabProcess, type LabSpec, nextSlot, type SideSpec } from '../../lab/index.js';

export const FOUR_SERVERS: readonly string[] = [1, 2, 3, 4].map((n) => `203.0.113.${n}:3478`);
const KEEPALIVE = { wireguard: { keepaliveSeconds: 5 } } as const;

/** H has the NAT that gives each destination another port; E's is steady. */
export interface HardPair {
  readonly h: Host;
  readonly e: Host;
}

export interface PairKind {
  readonly h: SideSpec;
  readonly e: SideSpec;
}

/** Pairs beside each other: sides h0 and e0, h1 and e1 and so on. */
export function pairsSpec(kinds: readonly PairKind[], slotInSeconds: number): LabSpec {
  const sides = kinds.flatMap(({ h, e }, i) => [
    [`h${i}`, { ...KEEPALIVE, ...h }] as const,
    [`e${i}`, { ...KEEPALIVE, ...e }] as const,
  ]);
  return { sides: Object.fromEntries(sides), coturn: [1, 2, 3, 4], slotInSeconds };
}

export function pairsOf(lab: Lab, count: number): readonly HardPair[] {
  return Array.from({ length: count }, (_, i) => ({ h: lab.host(`h${i}`), e: lab.host(`e${i}`) }));
}

/** One side's daemon, which knows the other side alone. */
export async function startSide(host: Host, other: Host, mode: string): Promise<void> {
  await host.startDaemon({ stun: FOUR_SERVERS, peers: [other.name], device: { hard_nat: mode } });
}

export async function startBoth({ h, e }: HardPair, mode: string): Promise<void> {
  await Promise.all([startSide(h, e, mode), startSide(e, h, mode)]);
}

export function slotOf({ h, e }: HardPair, periodSeconds: number, from?: number): number {
  return nextSlot(h.keys, e.keys, periodSeconds, from);
}

/** Milliseconds from the slot's beginning until a ping of H was answered; Infinity: not within `limitMs` of it. */
export async function metAfter({ h, e }: HardPair, slotAt: number, limitMs: number): Promise<number> {
  const ping = await h.firstPing(e, { deadlineMs: slotAt + limitMs - Date.now() });
  return ping === undefined ? Number.POSITIVE_INFINITY : Date.now() - slotAt;
}

/** Packets of its searches so far. */
export async function searched(host: Host): Promise<number> {
  return (await host.daemons.at(-1)?.status())?.devices[0]?.checks?.searched ?? Number.NaN;
}

export interface Entries {
  readonly most: number;
}

/** Counts a host's own entries in the table of its router, once a second: the most at any time. */
export function watchEntries(lab: Lab, { plan }: Host): Entries {
  const count = `conntrack -L -p udp -s ${plan.hostAddress} 2>/dev/null | wc -l`;
  const watch = lab.spawn(plan.routers[0]?.namespace, ['sh', '-c', `while ${count}; do sleep 1; done`]);
  let most = 0;
  watch.onLine((line) => {
    most = Math.max(most, Number(line));
  });
  return {
    get most() {
      return most;
    },
  };
}

/** A machine opens so many new flows a second through the routers before it. */
export function foreignFlows(lab: Lab, namespace: string, perSecond: number): LabProcess {
  const script = `while :; do echo >/dev/udp/203.0.113.5/9; sleep ${1 / perSecond}; done`;
  return lab.spawn(namespace, ['bash', '-c', script]);
}
