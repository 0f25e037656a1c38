/** Providers: a routed hop between each NAT and the public network, which can hold packets back as a long way would. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { script, sysctls } from './namespace-script.js';
import { outermost, outermostOf, type RouterPlan, type SidePlan, wanAddress } from './plan.js';
import { type LabProcess, must, type SpawnOptions } from './processes.js';
import { type LabSpec, PUBLIC_ADDRESSES6 } from './spec.js';
import { until } from './wait.js';

const DELAY_SOURCE = fileURLToPath(new URL('../../../fixtures/e2e/delay.c', import.meta.url));
/** As many as host.move() can need. */
const MOST_MOVES = 8;
const DELAYED_TABLE = 7;

const DELAYED_IPV6 = `ip -6 route add default dev slow table ${DELAYED_TABLE}
ip -6 rule add iif near lookup ${DELAYED_TABLE}
ip -6 rule add iif far to 2001:db8::/32 lookup ${DELAYED_TABLE}
`;

export interface ProviderPlan {
  readonly namespace: string;
  /** The NAT that it serves. */
  readonly router: RouterPlan;
  readonly sides: readonly SidePlan[];
  /** What it holds every packet back; 0: nothing. */
  readonly delayMs: number;
}

export function planProviders(labName: string, sides: readonly SidePlan[], spec: LabSpec): readonly ProviderPlan[] {
  if (!spec.routed) {
    if (spec.rttMs !== undefined) throw new Error('a round trip time needs `routed: true`');
    return [];
  }
  return outermostOf(sides).map((router) => ({
    namespace: `${labName}-net${router.index}`,
    router,
    sides: sides.filter((side) => outermost(side) === router),
    // A packet between two sides passes two providers, and so does what comes back.
    delayMs: (spec.rttMs ?? 0) / 4,
  }));
}

/** Addresses and networks that lie behind a router on the public network, as routes. */
export function routesInto(side: SidePlan, device = ''): readonly string[] {
  const router = outermost(side);
  const dev = device === '' ? '' : ` dev ${device}`;
  const routes: string[] = [];
  if (router.kind === 'none') routes.push(`route replace ${openNetwork(router)} via ${router.wanAddress}${dev}`);
  if (router.ipv6 !== undefined)
    routes.push(`route replace 2001:db8:${side.index + 1}::/48 via ${router.ipv6.wanAddress}${dev}`);
  return routes;
}

function openNetwork(router: RouterPlan): string {
  return `${router.lanAddress.replace(/\d+$/, (last) => String(Number(last) - (Number(last) % 16)))}/28`;
}

/** It answers ARP and neighbour discovery in the name of what is behind it, so that addresses on both sides stay as they are. */
export function providerScript({ router, sides, delayMs }: ProviderPlan): string {
  const own = 201 + router.index;
  const behind = Array.from({ length: MOST_MOVES + 1 }, (_, moves) => `${wanAddress(router.index, moves)}/32`);
  const batch = [
    'link set dev lo up',
    'link set dev far up',
    'link set dev near up',
    `addr add 203.0.113.${own}/24 dev far`,
  ];
  batch.push(...behind.map((address) => `route add ${address} dev near`), 'route add default via 203.0.113.1');
  const networks = router.kind === 'none' ? [openNetwork(router)] : [];
  if (router.ipv6 !== undefined) {
    batch.push(`addr add 2001:db8:ffff::${own}/64 dev far nodad`, `route add ${router.ipv6.wanAddress}/128 dev near`);
    batch.push('route add default via 2001:db8:ffff::1', `neigh add proxy ${router.ipv6.wanAddress} dev far`);
    batch.push(...PUBLIC_ADDRESSES6.map((address) => `neigh add proxy ${address} dev near`));
  }
  for (const side of sides) batch.push(...routesInto(side, 'near'));
  if (delayMs > 0) {
    batch.push(
      'tuntap add dev slow mode tun',
      'link set dev slow up',
      `route add default dev slow table ${DELAYED_TABLE}`,
    );
    batch.push(`rule add iif near lookup ${DELAYED_TABLE}`);
    // By destination: an answer by proxy to what is asked of a neighbour on the public network would take its place.
    for (const network of [...behind, ...networks])
      batch.push(`rule add iif far to ${network} lookup ${DELAYED_TABLE}`);
  }
  const proxying = ['far', 'near'].flatMap((device) => [
    `net/ipv4/conf/${device}/proxy_arp=1`,
    `net/ipv6/conf/${device}/proxy_ndp=1`,
    `net/ipv4/neigh/${device}/proxy_delay=0`,
    `net/ipv6/neigh/${device}/proxy_delay=0`,
  ]);
  const furnished = script([...sysctls(true), 'net/ipv4/conf/*/rp_filter=0', ...proxying], batch, '');
  return delayMs > 0 && router.ipv6 !== undefined ? furnished + DELAYED_IPV6 : furnished;
}

interface Place {
  readonly dir: string;
  spawn(namespace: string, argv: readonly string[], options?: SpawnOptions): LabProcess;
}

/** This kernel may have no netem: a small program holds the packets of a tun device. Ready when this resolves. */
export async function startDelay(lab: Place, providers: readonly ProviderPlan[]): Promise<void> {
  const slow = providers.filter(({ delayMs }) => delayMs > 0);
  if (slow.length === 0) return;
  const program = join(lab.dir, 'delay');
  await must(undefined, ['cc', '-O1', '-o', program, DELAY_SOURCE]);
  await Promise.all(
    slow.map(async ({ namespace, delayMs }) => {
      const holding = lab.spawn(namespace, [program, 'slow', String(Math.round(delayMs * 1000))]);
      await until(() => holding.stdout.includes('ready') || !holding.running, {
        what: 'the delaying router',
        pollMs: 5,
      });
      if (!holding.running) throw new Error(`the delaying router: ${holding.stderr}`);
    }),
  );
}
