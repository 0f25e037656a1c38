/** How a pair connects and heals, as measurements: the tests hold them to generous limits, the bench to the targets. */
import { join } from 'node:path';
import { heardAgain, keepEvents, phaseWithin, pinging, pingsAgain, type SettledPair, settledPair } from './healing.js';
import { type DaemonOptions, type Host, type Lab, type LabSpec, must, REPOSITORY, sleep } from './lab/index.js';

export interface Scenario {
  readonly name: string;
  readonly spec: LabSpec;
  /** Of the project's promise, milliseconds, on a machine that has nothing else to do. */
  readonly targetMs: number;
  /** How long it takes at most, with room for a loaded machine. */
  readonly limitMs: number;
  /** Milliseconds; Infinity: not within the limit. */
  measure(lab: Lab, limitMs: number): Promise<number>;
}

const keepalive = (keepaliveSeconds: number): LabSpec => ({
  sides: { a: { wireguard: { keepaliveSeconds } }, b: { wireguard: { keepaliveSeconds } } },
  coturn: [1, 2],
});
const PAIR = keepalive(0);
const pair = (lab: Lab): readonly [Host, Host] => [lab.host('a'), lab.host('b')];
const shellStore = (lab: Lab): DaemonOptions => {
  const command = join(REPOSITORY, 'test/fixtures/e2e/shell-store.sh');
  return { plugins: { folder: { type: 'shell', command, args: [lab.storeDir] } } };
};

/** Both daemons start together, without the exception of F18b. */
export function withoutRenewal(keepaliveSeconds: number): Scenario {
  return {
    name: `first ping with renew: false, keepalive ${keepaliveSeconds}`,
    spec: keepalive(keepaliveSeconds),
    targetMs: 5500,
    limitMs: 12_000,
    async measure(lab, limitMs) {
      const [a, b] = pair(lab);
      await sleep(1000);
      const startedAt = performance.now();
      const options = { extra: { renew: false } };
      await Promise.all([a.startDaemon(options), b.startDaemon(options)]);
      return pingsAgain(a, b, limitMs, startedAt);
    },
  };
}

/** From the start of the second daemon, which comes so much later than the first. */
export function secondLater(store: 'watch' | 'polling', laterMs: number): Scenario {
  const by = store === 'watch' ? 'file store (watch)' : 'shell plugin (polling)';
  return {
    name: `first ping, second host ${laterMs / 1000} s later, ${by}`,
    spec: PAIR,
    targetMs: 2000,
    limitMs: 8000,
    async measure(lab, limitMs) {
      const [a, b] = pair(lab);
      const options = { refreshInterval: '10m', ...(store === 'watch' ? {} : shellStore(lab)) };
      await a.startDaemon(options);
      await sleep(laterMs);
      const startedAt = performance.now();
      await b.startDaemon(options);
      return pingsAgain(a, b, limitMs, startedAt);
    },
  };
}

/** A change that befalls a settled pair, and how the pair is seen to work again. */
function recovery(
  plan: Omit<Scenario, 'measure'> & {
    readonly options?: (lab: Lab) => DaemonOptions;
    change(pair: SettledPair): Promise<void>;
    /** Default: by a ping of `a`. */
    readonly seenBy?: 'ping' | 'counters';
  },
): Scenario {
  return {
    ...plan,
    async measure(lab, limitMs) {
      const settled = await settledPair(lab, plan.options?.(lab));
      await plan.change(settled);
      const again = plan.seenBy === 'counters' ? heardAgain : pingsAgain;
      return again(settled.a, settled.b, limitMs);
    },
  };
}

export const NAT_MOVES = recovery({
  name: "one side's NAT moves to a new address, ping every 1 s",
  spec: PAIR,
  targetMs: 3000,
  limitMs: 12_000,
  options: (lab) => pinging(pair(lab), '1s'),
  change: async ({ b }) => void (await b.move()),
});

export const HOST_MOVES = recovery({
  name: 'the host joins another network, no ping, keepalive 25',
  spec: keepalive(25),
  targetMs: 4000,
  limitMs: 15_000,
  change: ({ b }) => b.joinOtherNetwork(),
  seenBy: 'counters',
});

export const NAT_MOVES_UNSEEN = recovery({
  name: 'its NAT moves and no event reaches it, no ping, keepalive 25',
  spec: keepalive(25),
  targetMs: 40_000,
  limitMs: 55_000,
  change: async ({ b }) => void (await b.move()),
  seenBy: 'counters',
});

export const portFreed = (blockedMs: number): Scenario => ({
  name: `UDP port blocked at one NAT for ${blockedMs / 1000} s, then freed`,
  spec: PAIR,
  targetMs: 5000,
  limitMs: 20_000,
  async measure(lab, limitMs) {
    const { a, b } = await settledPair(lab, pinging(pair(lab), '1s'));
    await b.blockUdp(b.plan.listenPort);
    await sleep(blockedMs);
    await b.unblockUdp(b.plan.listenPort);
    return heardAgain(a, b, limitMs);
  },
});

/** How long pings stay away after the NAT forgot all, as 100 of them, 0.1 s apart, tell: 100 ms for each that is lost. */
export function natForgets(kind: 'port-restricted' | 'symmetric'): Scenario {
  const name = kind === 'symmetric' ? 'random port' : 'port-preserving';
  return {
    name: `NAT (${name}) forgets every mapping, 100 pings`,
    spec: { sides: { a: { nats: [kind] }, b: { nats: [kind === 'symmetric' ? 'full' : kind] } }, coturn: [1, 2] },
    targetMs: kind === 'symmetric' ? 3000 : 100,
    limitMs: kind === 'symmetric' ? 8000 : 500,
    async measure(lab) {
      const { a, b } = await settledPair(lab);
      const burst = a.pingBurst(b, 100, 0.1);
      await sleep(2000);
      await a.flushConntrack();
      const { sent, received } = await burst;
      return (sent - received) * 100;
    },
  };
}

/** From the peer's end to the phase `suspect`; worst case one interval, one timeout, and a second to make sure. */
export function deadPeer(intervalMs: number, timeoutMs: number, of: 'global' | 'peer' = 'peer'): Scenario {
  const [interval, timeout] = [`${intervalMs}ms`, `${timeoutMs}ms`];
  return {
    name: `dead peer, ping every ${intervalMs / 1000} s, timeout ${timeoutMs / 1000} s${of === 'global' ? ' (global)' : ''}`,
    spec: PAIR,
    targetMs: intervalMs + timeoutMs + 1000,
    limitMs: intervalMs + timeoutMs + 5000,
    async measure(lab, limitMs) {
      const [a] = pair(lab);
      const each = (host: Host) => ({ ping: { enabled: true, target: host.tunnelAddress } });
      const { b, daemonA } = await settledPair(
        lab,
        of === 'peer'
          ? pinging(pair(lab), interval, timeout)
          : {
              extra: { ping_monitor: { interval, timeout } },
              peerOverrides: { a: each(a), b: each(lab.host('b')) },
            },
      );
      await daemonA.waitFor((snapshot) => snapshot.devices[0]?.peers[0]?.phase === 'connected');
      using log = await keepEvents(daemonA);
      const startedAt = Date.now();
      await b.blockUdp(b.plan.listenPort);
      return await phaseWithin(log, 'b', ['suspect'], limitMs, startedAt);
    },
  };
}

const DUAL: LabSpec = {
  sides: { a: { nats: ['port-restricted'], ipv6: 'stateful' }, b: { nats: ['port-restricted'], ipv6: 'stateful' } },
  coturn: [1, 2],
};
const PREFER_IPV6: DaemonOptions = {
  protocol: 'dualstack',
  peerProtocol: 'prefer_ipv6',
  stun: ['203.0.113.1:3478', '203.0.113.2:3478', '[2001:db8:ffff::1]:3478', '[2001:db8:ffff::2]:3478'],
};

/** IPv6 reaches the STUN servers, and nobody beyond them. */
export async function cutIpv6(lab: Lab): Promise<void> {
  const input = 'table ip6 cut {\nchain through { type filter hook forward priority 0; policy drop;\n}\n}\n';
  await must(lab.publicNamespace, ['nft', '-f', '-'], { input });
}

export const IPV6_DEAD_AT_START: Scenario = {
  name: 'prefer_ipv6, IPv6 dead on the way from the start',
  spec: DUAL,
  targetMs: 15_000,
  limitMs: 25_000,
  async measure(lab, limitMs) {
    const [a, b] = pair(lab);
    await cutIpv6(lab);
    const startedAt = performance.now();
    await Promise.all([a.startDaemon(PREFER_IPV6), b.startDaemon(PREFER_IPV6)]);
    return pingsAgain(a, b, limitMs, startedAt);
  },
};

export const IPV6_DIES: Scenario = {
  name: 'prefer_ipv6, IPv6 dies under a tunnel, ping every 1 s',
  spec: DUAL,
  targetMs: 15_000,
  limitMs: 25_000,
  async measure(lab, limitMs) {
    const { a, b, daemonA } = await settledPair(lab, { ...PREFER_IPV6, ...pinging(pair(lab), '1s') });
    const { endpoint } = await daemonA.peer('b');
    if (!endpoint?.startsWith('[')) throw new Error(`not connected by IPv6 but by ${endpoint}`);
    await cutIpv6(lab);
    return pingsAgain(a, b, limitMs);
  },
};

/** From the moment that the device is there again. */
export const DEVICE_RECREATED: Scenario = {
  name: 'device deleted and made anew with another port',
  spec: PAIR,
  targetMs: 3000,
  limitMs: 12_000,
  async measure(lab, limitMs) {
    const { a, b } = await settledPair(lab);
    await b.deleteDevice();
    await b.createDevice({ listenPort: 40_123 });
    return pingsAgain(a, b, limitMs);
  },
};

export const PEER_RESTARTED: Scenario = {
  name: 'peer (WireGuard and daemon) restarted with another port',
  spec: PAIR,
  targetMs: 3000,
  limitMs: 15_000,
  async measure(lab, limitMs) {
    const { a, b, daemonB } = await settledPair(lab);
    await daemonB.stop();
    await b.deleteDevice();
    await b.createDevice({ listenPort: 40_123 });
    const startedAt = performance.now();
    await b.startDaemon();
    return pingsAgain(a, b, limitMs, startedAt);
  },
};

/** From the start of the daemon that was not there when the other side moved: its tunnel has a session, and leads nowhere. */
export const MOVED_MEANWHILE: Scenario = {
  name: "daemon started after the peer's NAT moved, ping every 1 s",
  spec: PAIR,
  targetMs: 4000,
  limitMs: 10_000,
  async measure(lab, limitMs) {
    const options = pinging(pair(lab), '1s');
    const { a, b, daemonA } = await settledPair(lab, options);
    await daemonA.stop();
    await b.move();
    // Long enough for b to have found out and published.
    await sleep(4000);
    const startedAt = performance.now();
    await a.startDaemon(options);
    return pingsAgain(a, b, limitMs, startedAt);
  },
};

export const BOTH_MOVE = recovery({
  name: 'both NATs move at the same time, ping every 1 s',
  spec: PAIR,
  targetMs: 5000,
  limitMs: 15_000,
  options: (lab) => pinging(pair(lab), '1s'),
  change: async ({ a, b }) => void (await Promise.all([a.move(), b.move()])),
});

export const PORT_CHANGES = recovery({
  name: 'WireGuard gets another listen port, ping every 1 s',
  spec: PAIR,
  targetMs: 4000,
  limitMs: 12_000,
  options: (lab) => pinging(pair(lab), '1s'),
  change: async ({ b }) => void (await must(b.namespace, ['wg', 'set', b.device, 'listen-port', '40123'])),
});

export const ALL: readonly Scenario[] = [
  ...[0, 5, 25].map(withoutRenewal),
  secondLater('watch', 3000),
  secondLater('polling', 3000),
  NAT_MOVES,
  BOTH_MOVE,
  MOVED_MEANWHILE,
  HOST_MOVES,
  natForgets('port-restricted'),
  natForgets('symmetric'),
  deadPeer(1000, 1000, 'global'),
  deadPeer(2000, 2000),
  deadPeer(1000, 3000),
  deadPeer(5000, 1000),
  IPV6_DEAD_AT_START,
  IPV6_DIES,
  DEVICE_RECREATED,
  PORT_CHANGES,
  PEER_RESTARTED,
];
/** Rows that take a minute each. */
export const LONG: readonly Scenario[] = [
  secondLater('watch', 60_000),
  secondLater('polling', 60_000),
  NAT_MOVES_UNSEEN,
  portFreed(60_000),
];
