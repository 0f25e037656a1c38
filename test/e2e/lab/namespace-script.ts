/** One shell script for one namespace: settings of its kernel, then addresses and routes, then packet filter rules. */

export function sysctls(router: boolean): string[] {
  // Interfaces exist already and each has its own copy; duplicate address detection would cost two seconds.
  const settings = ['net/ipv6/conf/*/accept_dad=0', 'net/ipv6/conf/*/dad_transmits=0'];
  if (router) {
    settings.push('net/ipv4/ip_forward=1', 'net/ipv6/conf/all/forwarding=1');
    settings.push('net/ipv4/conf/all/send_redirects=0', 'net/ipv4/conf/default/send_redirects=0');
  }
  return settings;
}

export function script(settings: readonly string[], batch: readonly string[], rules: string): string {
  const lines = ['set -e'];
  for (const setting of settings) {
    const [path, value] = setting.split('=');
    lines.push(`for file in /proc/sys/${path}; do echo ${value} > "$file"; done`);
  }
  lines.push("ip -batch - <<'END'", ...batch, 'END');
  if (rules !== '') lines.push("nft -f - <<'END'", rules, 'END');
  return `${lines.join('\n')}\n`;
}
