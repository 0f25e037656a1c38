/** Shell scripts that furnish each namespace of a laboratory: links are there already, one `sh` each does the rest. */
import { natRules } from './nat-rules.js';
import type { RouterPlan, SidePlan } from './plan.js';

/** Public addresses that the laboratory's servers may use, next to the first, which is also the gateway. */
export const PUBLIC_ADDRESSES: readonly string[] = ['203.0.113.1', '203.0.113.2', '203.0.113.3', '203.0.113.4'];
export const PUBLIC_ADDRESSES6: readonly string[] = PUBLIC_ADDRESSES.map((_, i) => `2001:db8:ffff::${i + 1}`);
/** A public address where nobody answers, not even by ICMP. */
export const BLACKHOLE_ADDRESS = '203.0.113.5';

/** Lines for one `ip -batch` outside: all namespaces and the links between them. */
export function linkBatch(publicNamespace: string, sides: readonly SidePlan[]): string {
  const namespaces = [publicNamespace];
  const links: string[] = [];
  const link = (name: string, namespace: string, peer: string, peerNamespace: string): void => {
    links.push(`link add ${name} netns ${namespace} type veth peer name ${peer} netns ${peerNamespace}`);
  };
  for (const side of sides) {
    namespaces.push(side.namespace, ...side.routers.map((router) => router.namespace));
    side.routers.forEach((router, depth) => {
      const inner = side.routers[depth - 1];
      if (inner === undefined) link('eth0', side.namespace, 'lan', router.namespace);
      else link('wan', inner.namespace, 'lan', router.namespace);
    });
    const outer = outermost(side);
    link('wan', outer.namespace, `to-${side.name}`, publicNamespace);
  }
  return `${[...namespaces.map((name) => `netns add ${name}`), ...links].join('\n')}\n`;
}

export function outermost(side: SidePlan): RouterPlan {
  const router = side.routers.at(-1);
  if (router === undefined) throw new Error(`side ${side.name} has no router`);
  return router;
}

export function publicScript(sides: readonly SidePlan[]): string {
  const batch = ['link set dev lo up', 'link add br0 type bridge', 'link set dev br0 up'];
  for (const side of sides) batch.push(`link set dev to-${side.name} master br0 up`);
  for (const address of [...PUBLIC_ADDRESSES, BLACKHOLE_ADDRESS]) batch.push(`addr add ${address}/24 dev br0`);
  for (const address of PUBLIC_ADDRESSES6) batch.push(`addr add ${address}/64 dev br0 nodad`);
  for (const side of sides) {
    const outer = outermost(side);
    if (outer.kind === 'none')
      batch.push(`route add ${outer.lanAddress.replace(/\d+$/, networkByte)}/28 via ${outer.wanAddress}`);
    if (outer.ipv6 !== undefined) batch.push(`route add 2001:db8:${side.index + 1}::/48 via ${outer.ipv6.wanAddress}`);
  }
  const rules = `table inet guard {
chain local { type filter hook input priority filter; policy accept;
ip daddr ${BLACKHOLE_ADDRESS} drop
}
}
`;
  return script(sysctls(true), batch, rules);
}

function networkByte(last: string): string {
  return String(Number(last) - (Number(last) % 16));
}

export function routerScript(router: RouterPlan): string {
  const batch = ['link set dev lo up', 'link set dev wan up', 'link set dev lan up'];
  if (router.ipv4) {
    batch.push(`addr add ${router.wanAddress}/24 dev wan`, `addr add ${router.lanAddress}/${router.lanPrefix} dev lan`);
    batch.push(`route add default via ${router.wanGateway}`);
  }
  if (router.ipv6 !== undefined) {
    batch.push(
      `addr add ${router.ipv6.wanAddress}/64 dev wan nodad`,
      `addr add ${router.ipv6.lanAddress}/64 dev lan nodad`,
    );
    batch.push(`route add default via ${router.ipv6.wanGateway}`);
    const { inside } = router.ipv6;
    if (inside !== undefined) batch.push(`route add ${inside.prefix} via ${inside.via}`);
  }
  return script(sysctls(true), batch, natRules(router));
}

export function hostScript(side: SidePlan): string {
  const batch = ['link set dev lo up', 'link set dev eth0 up'];
  const first = side.routers[0];
  if (first?.ipv4) {
    batch.push(`addr add ${side.hostAddress}/${side.hostPrefix} dev eth0`, `route add default via ${first.lanAddress}`);
  }
  if (first?.ipv6 !== undefined) {
    batch.push(`addr add ${side.hostAddress6}/64 dev eth0 nodad`, `route add default via ${first.ipv6.lanAddress}`);
  }
  return script(sysctls(false), batch, '');
}

/** A router's new address on the public side: the old one goes first, and with it all that conntrack knew. */
export function moveScript(router: RouterPlan, from: string, to: string): string {
  const batch = [
    `addr del ${from}/24 dev wan`,
    `addr add ${to}/24 dev wan`,
    `route replace default via ${router.wanGateway}`,
  ];
  return `${script([], batch, natRules(router, to))}conntrack -F 2>/dev/null\n`;
}

function sysctls(router: boolean): string[] {
  // Interfaces exist already and each has its own copy; duplicate address detection would cost two seconds.
  const settings = ['net/ipv6/conf/*/accept_dad=0', 'net/ipv6/conf/*/dad_transmits=0'];
  if (router) {
    settings.push('net/ipv4/ip_forward=1', 'net/ipv6/conf/all/forwarding=1');
    settings.push('net/ipv4/conf/all/send_redirects=0', 'net/ipv4/conf/default/send_redirects=0');
  }
  return settings;
}

function script(settings: readonly string[], batch: readonly string[], rules: string): string {
  const lines = ['set -e'];
  for (const setting of settings) {
    const [path, value] = setting.split('=');
    lines.push(`for file in /proc/sys/${path}; do echo ${value} > "$file"; done`);
  }
  lines.push("ip -batch - <<'END'", ...batch, 'END');
  if (rules !== '') lines.push("nft -f - <<'END'", rules, 'END');
  return `${lines.join('\n')}\n`;
}
