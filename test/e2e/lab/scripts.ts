/** Shell scripts that furnish each namespace of a laboratory: links are there already, one `sh` each does the rest. */
import { script, sysctls } from './namespace-script.js';
import { natRules } from './nat-rules.js';
import { outermostOf, type RouterPlan, routersOf, type SidePlan } from './plan.js';
import { type ProviderPlan, routesInto } from './provider.js';
import { BLACKHOLE_ADDRESS, PUBLIC_ADDRESSES, PUBLIC_ADDRESSES6 } from './spec.js';

/** Lines for one `ip -batch` outside: all namespaces and the links between them. */
export function linkBatch(
  publicNamespace: string,
  sides: readonly SidePlan[],
  providers: readonly ProviderPlan[],
): string {
  const links: string[] = [];
  const link = (name: string, namespace: string, peer: string, peerNamespace: string): void => {
    links.push(`link add ${name} netns ${namespace} type veth peer name ${peer} netns ${peerNamespace}`);
  };
  for (const router of routersOf(sides)) {
    const several = router.lanPorts.length > 1;
    router.lanPorts.forEach(({ namespace, device }, i) => {
      link(device, namespace, several ? `lan${i}` : 'lan', router.namespace);
    });
  }
  for (const router of outermostOf(sides)) {
    const provider = providers.find((one) => one.router === router);
    if (provider === undefined) link('wan', router.namespace, publicPort(router), publicNamespace);
    else {
      link('wan', router.namespace, 'near', provider.namespace);
      link('far', provider.namespace, publicPort(router), publicNamespace);
    }
  }
  const namespaces = namespacesOf(publicNamespace, sides, providers);
  return `${[...namespaces.map((name) => `netns add ${name}`), ...links].join('\n')}\n`;
}

/** Of a whole laboratory. */
export function namespacesOf(
  publicNamespace: string,
  sides: readonly SidePlan[],
  providers: readonly ProviderPlan[],
): readonly string[] {
  return [
    publicNamespace,
    ...sides.flatMap(({ namespace, decoy }) => [namespace, ...(decoy ? [decoy.namespace] : [])]),
    ...[...routersOf(sides), ...providers].map(({ namespace }) => namespace),
  ];
}

/** The device on the public bridge that leads to a router. */
function publicPort(router: RouterPlan): string {
  return `to-${router.index}`;
}

export function publicScript(sides: readonly SidePlan[]): string {
  const batch = ['link set dev lo up', 'link add br0 type bridge', 'link set dev br0 up'];
  for (const router of outermostOf(sides)) batch.push(`link set dev ${publicPort(router)} master br0 up`);
  for (const address of [...PUBLIC_ADDRESSES, BLACKHOLE_ADDRESS]) batch.push(`addr add ${address}/24 dev br0`);
  for (const address of PUBLIC_ADDRESSES6) batch.push(`addr add ${address}/64 dev br0 nodad`);
  for (const side of sides) batch.push(...routesInto(side));
  const rules = `table inet guard {
chain local { type filter hook input priority filter; policy accept;
ip daddr ${BLACKHOLE_ADDRESS} drop
}
}
`;
  return script(sysctls(true), batch, rules);
}

export function routerScript(router: RouterPlan): string {
  const batch = ['link set dev lo up', 'link set dev wan up'];
  if (router.lanPorts.length > 1) {
    batch.push('link add lan type bridge');
    router.lanPorts.forEach((_, i) => {
      batch.push(`link set dev lan${i} master lan up`);
    });
  }
  batch.push('link set dev lan up');
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
    for (const { prefix, via } of router.ipv6.inside) batch.push(`route add ${prefix} via ${via}`);
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

/** A machine in the same network as a host, which the laboratory's programs know nothing of. */
export function decoyScript(address: string): string {
  return script(sysctls(false), ['link set dev lo up', 'link set dev eth0 up', `addr add ${address}/24 dev eth0`], '');
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
