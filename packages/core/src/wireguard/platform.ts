/** What people do differs from system to system: the lines that install WireGuard, bring a device up, start the service. */

export interface PlatformWords {
  /** Brings wg(8). */
  readonly install: string;
  /** Brings a device of this name up. */
  readonly bringUp: (device: string) => string;
  /** Within what a device is looked for. */
  readonly place: string;
  /** The right that controlling a device takes. */
  readonly right: string;
  /** Standard input by a name that any child can open. */
  readonly stdin: string;
  /** Brings the link of a device that is there up. */
  readonly linkUp: (device: string) => string;
  /** Sets the MTU of a device that is there. */
  readonly setMtu: (device: string, bytes: number) => string;
  readonly loopback: string;
  /** Where wg-quick keeps its files. */
  readonly wgQuickFolder: string;
  /** Starts the service now, and at every boot; undefined: none comes along for this system. */
  readonly service: { readonly start: string; readonly enable: string } | undefined;
  /** How WireGuard's own packets are kept apart from all others. */
  readonly routing: (way: Way) => RoutingWords;
}

/** What WireGuard's own packets bear. */
export interface Way {
  readonly device: string;
  /** As `wg` writes it. */
  readonly mark: string;
  readonly fib?: number;
}

export interface RoutingWords {
  readonly own: string;
  readonly others: string;
  /** What to look at where both leave by different interfaces and should not. */
  readonly look: string;
  /** What keeps them out of a tunnel that takes everything. */
  readonly fullTunnel: string;
}

const IFCONFIG_MTU = (device: string, bytes: number): string => `\`ifconfig ${device} mtu ${bytes}\``;

const LINUX: PlatformWords = {
  install:
    'Debian, Ubuntu: apt install wireguard-tools; Alpine: apk add wireguard-tools; Fedora: dnf install wireguard-tools',
  bringUp: (device) => `wg-quick up ${device}, or ip link add ${device} type wireguard`,
  place: 'in this network namespace',
  right: 'run stunmesh as root or with CAP_NET_ADMIN',
  // A minimal Linux has no /dev/stdin, but always /proc.
  stdin: '/proc/self/fd/0',
  linkUp: (device) => `\`ip link set ${device} up\`, \`wg-quick up ${device}\``,
  setMtu: (device, bytes) => `\`ip link set ${device} mtu ${bytes}\``,
  loopback: 'lo',
  wgQuickFolder: '/etc/wireguard',
  service: { start: 'systemctl start stunmesh', enable: 'systemctl enable --now stunmesh' },
  routing: ({ device, mark }) => ({
    own: `packets with WireGuard's mark ${mark}`,
    others: 'unmarked ones',
    look: `look at \`ip rule show\` for fwmark ${mark}, or take the mark off: \`wg set ${device} fwmark off\``,
    fullTunnel: 'a full tunnel needs a firewall mark and a rule for it, as wg-quick makes them',
  }),
};

const FREEBSD: PlatformWords = {
  install: 'pkg install wireguard-tools',
  bringUp: (device) =>
    `service wireguard start with "${device}" in wireguard_interfaces, or ifconfig wg create name ${device}; FreeBSD 13 needs pkg install wireguard-kmod first`,
  place: 'in this jail',
  right: 'run stunmesh as root',
  stdin: '/dev/stdin',
  linkUp: (device) => `\`ifconfig ${device} up\`, \`service wireguard restart\``,
  setMtu: IFCONFIG_MTU,
  loopback: 'lo0',
  wgQuickFolder: '/usr/local/etc/wireguard',
  service: { start: 'service stunmesh start', enable: 'service stunmesh enable; service stunmesh start' },
  // if_wg's fwmark does not choose a route; a routing table does.
  routing: ({ device, fib }) => ({
    own: `packets of routing table ${fib ?? 0}`,
    others: 'those of this host',
    look: `look at \`setfib ${fib ?? 0} netstat -rn\`, and compare \`proxy.fib\` with the tunnelfib that \`ifconfig ${device}\` shows`,
    fullTunnel: `a full tunnel needs another routing table for WireGuard's own packets: \`ifconfig ${device} tunnelfib N\`, and \`proxy.fib: N\` here`,
  }),
};

const BY_ROUTES = {
  own: "WireGuard's packets",
  others: 'others',
  look: 'look at `netstat -rn`',
  fullTunnel: 'a full tunnel needs routes of their own for these addresses, as wg-quick makes them for endpoints',
};

const MACOS: PlatformWords = {
  install: 'brew install wireguard-tools',
  bringUp: (device) => `sudo wg-quick up ${device}; tunnels of the WireGuard app cannot be reached by other programs`,
  place: 'on this Mac',
  right: 'run stunmesh as root',
  stdin: '/dev/stdin',
  linkUp: (device) => `\`sudo wg-quick up ${device}\``,
  setMtu: IFCONFIG_MTU,
  loopback: 'lo0',
  wgQuickFolder: '/etc/wireguard',
  service: {
    start: 'sudo launchctl kickstart system/stunmesh',
    enable: 'sudo launchctl bootstrap system /Library/LaunchDaemons/stunmesh.plist',
  },
  routing: () => BY_ROUTES,
};

const OTHER: PlatformWords = {
  install: "the package wireguard-tools, by your system's package manager",
  bringUp: (device) => `wg-quick up ${device}`,
  place: 'on this host',
  right: 'run stunmesh as root',
  stdin: '/dev/stdin',
  linkUp: (device) => `\`wg-quick up ${device}\``,
  setMtu: IFCONFIG_MTU,
  loopback: 'lo0',
  wgQuickFolder: '/etc/wireguard',
  service: undefined,
  routing: () => BY_ROUTES,
};

const WORDS: Partial<Record<NodeJS.Platform, PlatformWords>> = { linux: LINUX, freebsd: FREEBSD, darwin: MACOS };

export function wordsOf(platform: NodeJS.Platform = process.platform): PlatformWords {
  return WORDS[platform] ?? OTHER;
}
