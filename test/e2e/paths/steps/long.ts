/** What takes a minute or two by its nature: upgrades at the minute's beat, families that die and come back, starts that were spoilt, STUN that
 * does not pass. */
import { type Host, type Lab, type LabSpec, must, sleep } from '../../lab/index.js';
import { cutFamily } from '../../lab/steps/cut.js';
import { expectTunnel, startAll } from '../../lab/steps/pair.js';
import { dualStack, pair } from './meeting.js';
import { type Accepting, accepting, ipv4Address, ipv6Address } from './meetings.js';
import { bothAt, startTraffic, watchSwitch } from './traffic.js';

const KEEPALIVE = { keepaliveSeconds: 25 };
const DUAL: LabSpec = {
  sides: { a: { ipv6: 'stateful', wireguard: KEEPALIVE }, b: { ipv6: 'stateful', wireguard: KEEPALIVE } },
  coturn: [1, 2],
};
const UPGRADE_LIMIT_MS = 130_000;

/** Both on IPv4, because IPv6 is broken between them; hands back what mends it. */
async function onIpv4(lab: Lab): Promise<() => Promise<void>> {
  const [a, b] = pair(lab);
  const mend = await cutFamily(lab, 6);
  await startAll([a, b], { ...dualStack('prefer_ipv6'), ...pinging(lab) });
  await expectTunnel(a, b);
  const tookMs = await bothAt(a, b, ipv4Address, 10_000);
  if (tookMs === Number.POSITIVE_INFINITY) throw new Error('the pair does not meet by IPv4');
  return mend;
}

/** A watch on the peers' tunnel addresses, as who wants quick healing has it. */
function pinging(lab: Lab) {
  return {
    peerOverrides: Object.fromEntries(
      pair(lab).map((host) => [
        host.name,
        { ping: { enabled: true, target: host.tunnelAddress, interval: '1s', timeout: '1s' } },
      ]),
    ),
  };
}

export interface Families {
  /** Milliseconds from the moment that IPv6 passes until both sides use it; until both use IPv4 after it died; and back. */
  readonly upgradeMs: number;
  readonly downgradeMs: number;
  readonly backMs: number;
  /** Pings lost in each of the three, at ten a second. */
  readonly lost: readonly number[];
}

export const FAMILIES_SPEC = DUAL;

export async function families(lab: Lab): Promise<Families> {
  const [a, b] = pair(lab);
  let mend = await onIpv4(lab);
  const lost: number[] = [];
  const counted = async (change: () => Promise<unknown>, endpointOf: (host: Host) => string): Promise<number> => {
    const traffic = startTraffic(a, b, 10);
    await sleep(1_000);
    await change();
    const tookMs = await bothAt(a, b, endpointOf, UPGRADE_LIMIT_MS);
    await sleep(2_000);
    const { sent, received } = await traffic.stop();
    lost.push(sent - received);
    return tookMs;
  };
  const upgradeMs = await counted(mend, ipv6Address);
  // A session is moved at most once a minute.
  await sleep(60_000);
  const downgradeMs = await counted(async () => {
    mend = await cutFamily(lab, 6);
  }, ipv4Address);
  const backMs = await counted(() => mend(), ipv6Address);
  return { upgradeMs, downgradeMs, backMs, lost };
}

/** The answers of IPv6's STUN servers come only once the pair has met by IPv4: milliseconds from then. */
export async function laterIpv6(lab: Lab): Promise<number> {
  const [a, b] = pair(lab);
  const { namespace } = a.plan.routers[0] ?? { namespace: '' };
  const chain = '{ chain through { type filter hook forward priority -10; udp dport 3478 drop; }; }';
  await must(namespace, ['nft', '-f', '-'], { input: `table ip6 late ${chain}\n` });
  await startAll([a, b], dualStack('prefer_ipv6'));
  await expectTunnel(a, b);
  await must(namespace, ['nft', 'delete', 'table', 'ip6', 'late']);
  return await bothAt(a, b, ipv6Address, UPGRADE_LIMIT_MS);
}

export interface Switched {
  readonly sticksMs: number;
  readonly lost: number;
}

/** Of a round trip of 40 ms. */
export const SWITCH_SPEC: LabSpec = { ...DUAL, routed: true, rttMs: 40 };

/** A live session is moved from IPv4 to IPv6 under so many packets a second each way. */
export async function switchUnder(lab: Lab, perSecond: number): Promise<Switched> {
  const [a, b] = pair(lab);
  const mend = await onIpv4(lab);
  const traffic = startTraffic(a, b, perSecond);
  await mend();
  const { sticksMs } = await watchSwitch(a, b, ipv6Address, { limitMs: UPGRADE_LIMIT_MS, afterMs: 8_000 });
  const { sent, received } = await traffic.stop();
  return { sticksMs, lost: sent - received };
}

/** WireGuard's own packets have spoilt accepting routers before the daemons start, as each heard the other side first: milliseconds
 * until pings pass both ways. */
export async function poisonedStart(lab: Lab, limitMs: number): Promise<number> {
  const [a, b] = pair(lab);
  const initiates = async (from: Host, to: Host) => {
    await from.setEndpoint(to, ipv4Address(to));
    await from.firstPing(to, { deadlineMs: 1_000 });
  };
  const accepts = (host: Host) => host.plan.routers[0]?.kind === 'accept';
  if (accepts(a) && accepts(b)) await Promise.all([initiates(a, b), initiates(b, a)]);
  else if (accepts(a)) await initiates(b, a);
  else await initiates(a, b);
  await Promise.all([initiates(a, b), initiates(b, a)]);
  const startedAt = performance.now();
  await startAll([a, b]);
  const pings = await Promise.all([
    a.firstPing(b, { deadlineMs: limitMs, startedAt }),
    b.firstPing(a, { deadlineMs: limitMs, startedAt }),
  ]);
  return Math.max(...pings.map((ping) => ping ?? Number.POSITIVE_INFINITY));
}

export const FIREWALL_SPEC: LabSpec = { sides: { a: {}, b: {} }, coturn: [1, 2] };

/** A firewall before one side lets WireGuard pass, and of STUN only what servers say: milliseconds until pings pass both ways. */
export async function firewalledStun(lab: Lab, limitMs: number): Promise<number> {
  const [a, b] = pair(lab);
  // The magic cookie stands twelve bytes behind the beginning of the UDP header.
  const rule = 'udp sport 3478 accept; udp dport 3478 accept; @th,96,32 0x2112a442 drop';
  const chain = `chain through { type filter hook forward priority -10; ${rule}; }`;
  const { namespace } = b.plan.routers[0] ?? { namespace: '' };
  await must(namespace, ['nft', '-f', '-'], { input: `table ip firewall { ${chain}; }\n` });
  const startedAt = performance.now();
  await startAll([a, b]);
  const pings = await Promise.all([
    a.firstPing(b, { deadlineMs: limitMs, startedAt }),
    b.firstPing(a, { deadlineMs: limitMs, startedAt }),
  ]);
  return Math.max(...pings.map((ping) => ping ?? Number.POSITIVE_INFINITY));
}

export function poisonedSpec(which: Accepting): LabSpec {
  const { spec } = accepting(which, 0, 'watch');
  return {
    ...spec,
    sides: Object.fromEntries(
      Object.entries(spec.sides).map(([name, side]) => [name, { ...side, wireguard: KEEPALIVE }]),
    ),
  };
}
