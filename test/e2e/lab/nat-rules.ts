/** nftables rule sets that behave as each NAT kind; nat-behaviour.test.ts proves them by an independent probe. */
import { mappedPort, type RouterPlan } from './plan.js';

/** A whole `nft -f` script for one router with interfaces `wan` and `lan`; it replaces what was there. */
export function natRules(router: RouterPlan, currentWan = router.wanAddress): string {
  const lines = ['flush ruleset'];
  if (router.ipv4 && router.kind !== 'none') lines.push(...ipv4Tables(router, currentWan));
  if (router.ipv6?.filter === 'stateful') lines.push(...ipv6Table());
  return `${lines.join('\n')}\n`;
}

function ipv4Tables(router: RouterPlan, wan: string): string[] {
  const translation: string[] = [];
  const forwarding: string[] = [];
  const sets: string[] = [];
  if (router.kind === 'full' || router.kind === 'restricted') {
    router.insides.forEach((inside, nth) => {
      for (const port of router.ports) {
        const from = `ip saddr ${inside} udp sport ${port}`;
        const to = `ip daddr ${wan} udp dport ${mappedPort(port, nth)} dnat to ${inside}:${port}`;
        const snat = `snat to ${wan}:${mappedPort(port, nth)}`;
        if (router.kind === 'full') {
          translation.push(`oifname "wan" ${from} ${snat}`);
          forwarding.push(`iifname "wan" ${to}`);
        } else {
          const seen = `seen_${port}_${nth}`;
          sets.push(`set ${seen} { type ipv4_addr; flags dynamic, timeout; timeout 5m; }`);
          translation.push(`oifname "wan" ${from} add @${seen} { ip daddr } ${snat}`);
          forwarding.push(`iifname "wan" ip saddr @${seen} ${to}`);
        }
        // RFC 4787, REQ-9: what comes back in shows the public address and port of its sender.
        if (router.hairpin) {
          forwarding.push(`iifname "lan" ${to}`);
          translation.push(`oifname "lan" ct status dnat ${from} ${snat}`);
        }
      }
    });
  }
  // A router that counts, or keeps to a block, does so with UDP; the rest of its traffic is as it comes.
  if (router.kind === 'sequential')
    translation.push(`oifname "wan" meta l4proto udp masquerade to :${nextPort(router.step)}`);
  if (router.kind === 'block')
    translation.push('oifname "wan" meta l4proto udp masquerade to :40960-41983 fully-random');
  translation.push(`oifname "wan" masquerade${router.kind === 'symmetric' ? ' random,fully-random' : ''}`);
  return [
    'table ip translate {',
    ...sets,
    'chain outward { type nat hook postrouting priority srcnat; policy accept;',
    ...translation,
    '}',
    'chain inward { type nat hook prerouting priority dstnat; policy accept;',
    ...forwarding,
    '}',
    '}',
    'table ip guard {',
    'chain through { type filter hook forward priority filter; policy accept;',
    'ct state established,related accept',
    'ct status dnat accept',
    'iifname "wan" drop',
    '}',
    ...(router.accepts ? [] : REFUSAL),
    '}',
  ];
}

/** One port after the other, from 41,000 on. */
function nextPort(step: number): string {
  const ports = Array.from({ length: 2_000 }, (_, at) => `${at} : ${41_000 + at * step}`);
  return `numgen inc mod ${ports.length} map { ${ports.join(', ')} }`;
}

/** An early packet of the peer must not leave a conntrack entry: it would take the port that the mapping needs. */
const REFUSAL: readonly string[] = [
  'chain local { type filter hook input priority filter; policy accept;',
  'iifname "wan" meta l4proto udp drop',
  '}',
];

function ipv6Table(): string[] {
  return [
    'table ip6 guard {',
    'chain through { type filter hook forward priority filter; policy accept;',
    'ct state established,related accept',
    'iifname "wan" drop',
    '}',
    '}',
  ];
}
