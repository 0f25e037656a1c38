/** UDP ports that this host has in use, or gives to its programs by itself (proc(5), ip(7)); where /proc shows nothing, nothing is known. */
import { readFileSync } from 'node:fs';

const RANGE = '/proc/sys/net/ipv4/ip_local_port_range';
const TABLES = ['/proc/net/udp', '/proc/net/udp6'];
/** Whoever asks for hundreds of ports asks about one moment. */
const FRESH_MS = 1_000;

/** Whether a port may be used for packets of our own. `now`: monotonic milliseconds. */
export function createPortCheck(
  now: () => number,
  read: (path: string) => string = readText,
): (port: number) => boolean {
  let known: { readonly at: number; readonly used: ReadonlySet<number>; readonly from: number; readonly to: number };
  const look = (): typeof known => {
    const [from = 0, to = -1] = read(RANGE).trim().split(/\s+/).filter(Boolean).map(Number);
    return { at: now(), used: new Set(TABLES.flatMap((path) => portsOf(read(path)))), from, to };
  };
  return (port) => {
    if (!known || now() - known.at > FRESH_MS) known = look();
    return !known.used.has(port) && (port < known.from || port > known.to);
  };
}

/** The second column is the local address and port in hexadecimal. */
function portsOf(table: string): number[] {
  return [...table.matchAll(/^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) /gm)].map(([, port = '']) => Number.parseInt(port, 16));
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
