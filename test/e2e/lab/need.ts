/** What the laboratory needs of the machine, and what of it is missing. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const TOOLS: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  nft: 'nftables',
  'wireguard-go': 'wireguard-go',
  wg: 'wireguard-tools',
  ping: 'iputils-ping',
  conntrack: 'conntrack',
  tcpdump: 'tcpdump',
  setpriv: 'util-linux',
};

/** A sentence that says what is missing, or undefined where the laboratory can be opened. */
export function missingForLab(): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux (network namespaces)';
  if (process.getuid?.() !== 0) return 'needs root (network namespaces)';
  if (!readable('/dev/net/tun')) return 'needs /dev/net/tun';
  const packages = Object.entries(TOOLS)
    .filter(([tool]) => !inPath(tool))
    .map(([, name]) => name);
  return packages.length === 0 ? undefined : `needs Debian packages: ${packages.join(' ')}`;
}

function inPath(tool: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => folder !== '' && readable(join(folder, tool)));
}

function readable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
