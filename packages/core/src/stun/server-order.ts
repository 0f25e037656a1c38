/** Whom a discovery asks, and in which order; pure. */
import { type Endpoint, StunmeshError } from '../api/index.js';
import { sameEndpoint } from '../net/index.js';
import { parseServer, type ServerName } from './servers.js';

/** A server whose name is not resolved yet, or a further address of one that is. */
export interface Candidate {
  readonly server: ServerName;
  readonly preferred: boolean;
  readonly address?: Endpoint;
}

/** The servers in the order in which they are asked, the preferred one first; those that cannot be read have failed already. */
export function createCandidates(
  servers: readonly string[],
  preferred: string | undefined,
  failures: Map<string, StunmeshError>,
): Candidate[] {
  const list: Candidate[] = [];
  for (const text of new Set(servers)) {
    const server = parseServer(text);
    if (server) list.push({ server, preferred: text === preferred });
    else failures.set(text, unreadable(text));
  }
  return list.sort((a, b) => Number(b.preferred) - Number(a.preferred));
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
