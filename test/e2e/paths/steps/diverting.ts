/** WireGuard's packets are diverted to another source port while something else stands on the host: do all pings come back? */
import { join } from 'node:path';
import { type Host, must, type PingBurst, REPOSITORY } from '../../lab/index.js';

const DIVERT = join(REPOSITORY, 'test/fixtures/paths/divert.mjs');
const MAIN = join(REPOSITORY, 'packages/core/dist/cli/main.js');
const WIREGUARD = 51820;

export interface Beside {
  readonly what: string;
  /** The tunnel goes by WireGuard's own port before. */
  readonly sentBefore: boolean;
  readonly rules: string;
}

const FIREWALL = `table inet fw { chain in { type filter hook input priority 0; policy drop;
  ct state established,related accept; iif lo accept; iifname "wg*" accept; }
}`;
const MASQUERADE =
  'table inet nat { chain post { type nat hook postrouting priority 100; oifname "eth0" masquerade; }\n}';

/** In the order in which they are tried: the host that has not sent anything can only be the first one. */
export const EACH: readonly Beside[] = [
  { what: 'nothing, nor a packet before', sentBefore: false, rules: '' },
  { what: 'a WireGuard that sent before', sentBefore: true, rules: '' },
  { what: 'a stateful firewall on the host', sentBefore: true, rules: FIREWALL },
  { what: 'masquerade on the host itself', sentBefore: true, rules: MASQUERADE },
];
/** For a machine on which each takes a minute. */
export const ALL_AT_ONCE: readonly Beside[] = [
  { what: 'a firewall and masquerade on the host', sentBefore: true, rules: `${FIREWALL}\n${MASQUERADE}` },
];

export interface Diverting {
  /** Both behind NATs that keep the port, with devices that know each other. */
  readonly from: Host;
  readonly to: Host;
  setEndpoint(host: Host, peer: Host, endpoint: string): Promise<void>;
  /** Until a ping from `from` to `to` is answered; rejects where none is. */
  expectPing(from: Host, to: Host): Promise<unknown>;
  readonly slow: number;
}

export interface Diverted {
  readonly what: string;
  readonly pings: readonly PingBurst[];
  /** The rules while the pings went, and after `stunmesh cleanup`. */
  readonly rules: { readonly during: string; readonly after: string };
}

export async function divertBeside(cases: readonly Beside[], diverting: Diverting): Promise<readonly Diverted[]> {
  const { from, to, setEndpoint, expectPing, slow } = diverting;
  const ruleset = async () => (await from.exec(['nft', 'list', 'ruleset'])).stdout;
  const node = (args: readonly string[]) =>
    must(from.namespace, [process.execPath, ...args], { timeoutMs: 15_000 * slow });
  const seen: Diverted[] = [];
  for (const [i, { what, sentBefore, rules }] of cases.entries()) {
    await must(from.namespace, ['nft', '-f', '-'], { input: `${rules}\n` });
    const remote = `${to.publicAddress}:${WIREGUARD}`;
    if (sentBefore) {
      await Promise.all([setEndpoint(from, to, remote), setEndpoint(to, from, `${from.publicAddress}:${WIREGUARD}`)]);
      await expectPing(from, to);
    }
    const sourcePort = 40_155 + i;
    await node([DIVERT, from.device, String(WIREGUARD), String(sourcePort), remote]);
    await Promise.all([setEndpoint(to, from, `${from.publicAddress}:${sourcePort}`), setEndpoint(from, to, remote)]);
    await expectPing(from, to);
    const pings = await Promise.all([from.pingBurst(to, 100, 0.02), to.pingBurst(from, 100, 0.02)]);
    const during = await ruleset();
    await node([MAIN, 'cleanup']);
    seen.push({ what, pings, rules: { during, after: await ruleset() } });
    await must(from.namespace, ['nft', 'flush', 'ruleset']);
  }
  return seen;
}

/** What is wrong with it; undefined: nothing. */
export function faultOf({ what, pings, rules }: Diverted): string | undefined {
  if (pings.some(({ received }) => received !== 100)) return `beside ${what}: ${JSON.stringify(pings)}`;
  if (!/udp sport set 4015\d/.test(rules.during)) return `beside ${what}: no diversion in ${rules.during}`;
  return rules.after.includes('stunmesh') ? `beside ${what}: left by cleanup: ${rules.after}` : undefined;
}
