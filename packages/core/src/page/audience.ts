/** Who may see keys and addresses: a client on this host that asks this host, with no proxy in between; pure. */
import { parseAddress, refusedAddress } from '../net/index.js';
import type { PageRequest } from '../telemetry/http-pages.js';

/** What proxies say of whom they ask for; one that is told to say nothing cannot be seen. */
const PROXIED = /^(forwarded|via|x-forwarded(-.+)?|x-real-ip|x-client-ip|true-client-ip|cf-connecting-ip)$/;

/** The Host has to be loopback's too: a name that its owner points to 127.0.0.1 makes a browser ask for a stranger's page (DNS rebinding). */
export function seesAll({ from, headers }: Pick<PageRequest, 'from' | 'headers'>): boolean {
  const site = headers['sec-fetch-site'];
  return (
    isLoopback(from) &&
    isLoopbackHost(headers.host) &&
    !Object.keys(headers).some((name) => PROXIED.test(name)) &&
    (site === undefined || site === 'same-origin' || site === 'none')
  );
}

function isLoopback(address: string | undefined): boolean {
  const bytes = parseAddress(address ?? '');
  return bytes !== undefined && refusedAddress(bytes) === 'loopback';
}

/** "127.0.0.1:9586", "[::1]:9586", "localhost". */
function isLoopbackHost(host: string | undefined): boolean {
  const [, six, name] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.]+))(?::\d{1,5})?$/i.exec(host ?? '') ?? [];
  return name?.toLowerCase() === 'localhost' || isLoopback(six ?? name);
}
