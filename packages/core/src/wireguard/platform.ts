/** What people do about WireGuard differs from system to system: the lines that install it, and that make a device. */

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
}

const LINUX: PlatformWords = {
  install:
    'Debian, Ubuntu: apt install wireguard-tools; Alpine: apk add wireguard-tools; Fedora: dnf install wireguard-tools',
  bringUp: (device) => `wg-quick up ${device}, or ip link add ${device} type wireguard`,
  place: 'in this network namespace',
  right: 'run stunmesh as root or with CAP_NET_ADMIN',
  // A minimal Linux has no /dev/stdin, but always /proc.
  stdin: '/proc/self/fd/0',
};

const FREEBSD: PlatformWords = {
  install: 'pkg install wireguard-tools',
  bringUp: (device) =>
    `service wireguard start with "${device}" in wireguard_interfaces, or ifconfig wg create name ${device}; FreeBSD 13 needs pkg install wireguard-kmod first`,
  place: 'in this jail',
  right: 'run stunmesh as root',
  stdin: '/dev/stdin',
};

const MACOS: PlatformWords = {
  install: 'brew install wireguard-tools',
  bringUp: (device) => `sudo wg-quick up ${device}; tunnels of the WireGuard app cannot be reached by other programs`,
  place: 'on this Mac',
  right: 'run stunmesh as root',
  stdin: '/dev/stdin',
};

const OTHER: PlatformWords = {
  install: "the package wireguard-tools, by your system's package manager",
  bringUp: (device) => `wg-quick up ${device}`,
  place: 'on this host',
  right: 'run stunmesh as root',
  stdin: '/dev/stdin',
};

const WORDS: Partial<Record<NodeJS.Platform, PlatformWords>> = { linux: LINUX, freebsd: FREEBSD, darwin: MACOS };

export function wordsOf(platform: NodeJS.Platform = process.platform): PlatformWords {
  return WORDS[platform] ?? OTHER;
}
