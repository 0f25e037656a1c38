/** Remedies in the words of systems that are no Linux; docs/errors.md has them too (a test holds the two together). */
import { REMEDIES } from './remedies.js';

type Remedies = Readonly<Record<string, string>>;

const FREEBSD: Remedies = {
  ERR_METRICS_LISTEN:
    'give each daemon a port of its own, or end the other program; `sockstat -l -P tcp` shows who has it.',
  ERR_STUN_NO_ROUTE: 'check the default route: `netstat -rn`, with `proxy.fib: N` `setfib N netstat -rn`.',
  ERR_WG_NOT_FOUND: '`pkg install wireguard-tools`, or start stunmesh with a PATH that holds `wg`.',
  ERR_WG_DEVICE_NOT_FOUND:
    'bring it up (`service wireguard start`, `ifconfig wg create name NAME`, or the pages of OPNsense and pfSense), or correct its name under `interfaces`; the daemon picks it up by itself.',
  ERR_WG_PERMISSION: 'run as root; a userspace device (wireguard-go) as the owner of its socket in /var/run/wireguard.',
  ERR_CAPTURE_PERMISSION: 'run as root.',
  ERR_CAPTURE_OPEN:
    "the message names the call and the system's reason; check that the interface is there, and in a jail that its devfs shows `bpf*`.",
  ERR_CAPTURE_UNREACHABLE: 'check routes: `netstat -rn`, with `proxy.fib: N` `setfib N netstat -rn`.',
};

const MACOS: Remedies = {
  ERR_METRICS_LISTEN:
    'give each daemon a port of its own, or end the other program; `lsof -nP -iTCP -sTCP:LISTEN` shows who has it.',
  ERR_STUN_NO_ROUTE: 'check the default route: `netstat -rn`.',
  ERR_WG_NOT_FOUND: '`brew install wireguard-tools`, or start stunmesh with a PATH that holds `wg`.',
  ERR_WG_PERMISSION: 'run as root.',
  ERR_CAPTURE_PERMISSION: 'run as root.',
  ERR_CAPTURE_UNREACHABLE: 'check routes: `netstat -rn`.',
};

export const SYSTEM_REMEDIES: Partial<Record<NodeJS.Platform, Remedies>> = { freebsd: FREEBSD, darwin: MACOS };

/** The finding with its code's remedy in the words of the system, unless it has words of its own. */
export function inWordsOf<T extends { readonly code?: string; readonly remedy?: string }>(
  platform: NodeJS.Platform,
  finding: T,
): T {
  const { code = '', remedy } = finding;
  const own = SYSTEM_REMEDIES[platform]?.[code];
  return own === undefined || remedy !== REMEDIES[code] ? finding : { ...finding, remedy: own };
}
