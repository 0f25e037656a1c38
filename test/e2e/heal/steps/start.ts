/** The first ping of a pair, as measurements: the tests hold them to generous limits, the bench to the targets. */
import { join } from 'node:path';
import { type DaemonOptions, type Host, type Lab, type LabSpec, must, REPOSITORY, sleep } from '../../lab/index.js';
import { pingsAgain } from './healing.js';

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

export const keepalive = (keepaliveSeconds: number): LabSpec => ({
  sides: { a: { wireguard: { keepaliveSeconds } }, b: { wireguard: { keepaliveSeconds } } },
  coturn: [1, 2],
});
export const PAIR = keepalive(0);
export const pair = (lab: Lab): readonly [Host, Host] => [lab.host('a'), lab.host('b')];
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

export const DUAL: LabSpec = {
  sides: { a: { nats: ['port-restricted'], ipv6: 'stateful' }, b: { nats: ['port-restricted'], ipv6: 'stateful' } },
  coturn: [1, 2],
};
export const PREFER_IPV6: DaemonOptions = {
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
