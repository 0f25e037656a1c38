/** Who may see keys and addresses: a client on this host that asks this host, with no proxy in between; pure. */
import { parseAddress, refusedAddress } from '../net/index.js';
import type { PageRequest } from '../telemetry/http-pages.js';

/** What proxies say of whom they ask for; one that says nothing, and speaks HTTP/1.1, cannot be seen. */
const PROXIED = /^(forwarded|via|x-forwarded(-.+)?|x-real-ip|x-client-ip|true-client-ip|cf-connecting-ip)$/;

/** The Host has to be loopback's too: a name that its owner points to 127.0.0.1 makes a browser ask for a stranger's page (DNS rebinding). */
export function seesAll({ from, headers, httpVersion }: Omit<PageRequest, 'query'>): boolean {
  const site = headers['sec-fetch-site'];
  return (
    // No browser speaks HTTP/1.0; nginx does before 1.29.7, with a Host of ours and not a word of whom it asks for, unless told otherwise.
    httpVersion === '1.1' &&
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
