/** Whom a discovery asks, and in which order; pure. */
import { type Endpoint, StunmeshError } from '../api/index.js';
import { sameEndpoint } from '../net/index.js';
import { parseServer, type ServerName } from './servers.js';

/** A server whose name is not resolved yet, or a further address of one that is. */
export interface QueuedServer {
  readonly server: ServerName;
  readonly preferred: boolean;
  /** The others contradicted it last time: its answer counts where nobody else gives one. */
  readonly distrusted: boolean;
  readonly address?: Endpoint;
}

export interface ServerPreferences {
  /** As configured. */
  readonly preferred?: string | undefined;
  readonly distrusted?: ReadonlySet<string> | undefined;
}

/** The servers in the order in which they are asked: the preferred one first, distrusted ones last; those that cannot be read have failed
 * already. */
export function orderServers(
  servers: readonly string[],
  { preferred, distrusted }: ServerPreferences,
  failures: Map<string, StunmeshError>,
): QueuedServer[] {
  const list: QueuedServer[] = [];
  for (const text of new Set(servers)) {
    const server = parseServer(text);
    if (server) list.push({ server, preferred: text === preferred, distrusted: distrusted?.has(text) === true });
    else failures.set(text, unreadable(text));
  }
  return list.sort((a, b) => rank(a) - rank(b));
}

function rank({ preferred, distrusted }: QueuedServer): number {
  return distrusted ? 2 : preferred ? 0 : 1;
}

/** Another address of the same server could see another mapping. */
export function preferAddress(
  addresses: readonly [Endpoint, ...Endpoint[]],
  preferred: Endpoint | undefined,
): readonly [Endpoint, ...Endpoint[]] {
  if (!preferred || !addresses.some((a) => sameEndpoint(a, preferred))) return addresses;
  return [preferred, ...addresses.filter((a) => !sameEndpoint(a, preferred))];
}

function unreadable(text: string): StunmeshError {
  return new StunmeshError('ERR_STUN_ADDRESS', `"${text}" is not HOST:PORT, ADDRESS:PORT or [IPV6]:PORT`, {
    details: { server: text },
  });
}
