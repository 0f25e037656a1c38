/** How a settled pair heals, as measurements: the tests hold them to generous limits, the bench to the targets. */

import { type DaemonOptions, type Host, type Lab, must, sleep } from '../../lab/index.js';
import { heardAgain, keepEvents, phaseWithin, pinging, pingsAgain, type SettledPair, settledPair } from './healing.js';
import {
  cutIpv6,
  DUAL,
  IPV6_DEAD_AT_START,
  keepalive,
  PAIR,
  PREFER_IPV6,
  pair,
  type Scenario,
  secondLater,
  withoutRenewal,
} from './start.js';

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

/** Only its own packets open its NAT: a WireGuard that goes on sending from the address that is gone (userspace) is not reached. */
export const SYMMETRIC_HOST_MOVES = recovery({
  name: 'a symmetric host, the other open, joins another network, no ping',
  spec: {
    sides: {
      a: { nats: ['none'], wireguard: { keepaliveSeconds: 25 } },
      b: { nats: ['symmetric'], wireguard: { keepaliveSeconds: 25 } },
    },
    coturn: [1, 2],
  },
  targetMs: 4000,
  limitMs: 12_000,
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
  SYMMETRIC_HOST_MOVES,
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
