/** STUN servers as the configuration names them, and the addresses of theirs that may be asked (F19). */
import { type Endpoint, type Family, StunmeshError } from '../api/index.js';
import {
  contains,
  createEndpoint,
  formatAddress,
  formatEndpoint,
  parseAddress,
  parsePrefix,
  refusedAddress,
} from '../net/index.js';

/** "host:port", "192.0.2.1:port" or "[2001:db8::1]:port". */
export interface ServerName {
  readonly text: string;
  readonly host: string;
  readonly port: number;
}

export interface AddressRules {
  readonly family: Family;
  readonly listenPort: number;
  readonly ownAddresses: ReadonlySet<string>;
  resolve(host: string, family: Family, signal: AbortSignal): Promise<readonly string[]>;
  refuseServer?(address: string): Promise<string | undefined>;
  /** Something that deserves a log line and keeps nobody from being asked (ERR_STUN_STAND_IN). */
  onNotice?(notice: StunmeshError): void;
  readonly signal: AbortSignal;
}

/** undefined when the text has no port of 1 to 65535, or no host in front of it. */
export function parseServer(text: string): ServerName | undefined {
  const match = /^(?:\[([^\]\s]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text);
  const [, six, name, digits] = match ?? [];
  const port = Number(digits);
  const host = six ?? name;
  if (host === undefined || port < 1 || port > 65535) return undefined;
  if (six !== undefined && parseAddress(six)?.length !== 16) return undefined;
  return { text, host, port };
}

/** The addresses of this family to ask, in the resolver's order. Errors: ERR_RESOLVE, ERR_STUN_ADDRESS (none of them may be asked). */
export async function resolveServer(
  server: ServerName,
  rules: AddressRules,
): Promise<readonly [Endpoint, ...Endpoint[]]> {
  const addresses = await addressesOf(server, rules);
  if (addresses.length === 0)
    throw new StunmeshError('ERR_RESOLVE', `${server.host} has no IPv${rules.family} address`, {
      details: { host: server.host },
    });
  const allowed: Endpoint[] = [];
  const reasons: string[] = [];
  for (const bytes of addresses) {
    const endpoint = createEndpoint(bytes, server.port);
    const reason = await refusal(bytes, endpoint, rules);
    if (reason === undefined) allowed.push(endpoint);
    if (reason === undefined && isStandIn(server, endpoint)) rules.onNotice?.(standInNotice(server, endpoint));
    else reasons.push(`${formatEndpoint(endpoint)} is not asked: ${reason}`);
  }
  const [first, ...others] = allowed;
  if (!first) throw new StunmeshError('ERR_STUN_ADDRESS', reasons.join(', '), { details: { server: server.text } });
  return [first, ...others];
}

/** RFC 2544 appendix C.2.2: for measurements, so that no host on the internet has one; proxies give such addresses to names (fake-ip). */
const STAND_INS = ['198.18.0.0/15'].flatMap((text) => parsePrefix(text) ?? []);

/** Whether a proxy answered in the place of the server's name. */
export function isStandIn(server: ServerName, { address }: Endpoint): boolean {
  const bytes = parseAddress(address);
  if (!bytes || parseAddress(server.host)) return false;
  return STAND_INS.some((range) => contains(range, bytes));
}

function standInNotice(server: ServerName, { address }: Endpoint): StunmeshError {
  return new StunmeshError(
    'ERR_STUN_STAND_IN',
    `${server.host} resolves to ${address}, which no server has (198.18.0.0/15): a proxy answers DNS with stand-ins (fake-ip), so the server may see the proxy's address and not WireGuard's`,
    { details: { server: server.text, address } },
  );
}

async function addressesOf(server: ServerName, rules: AddressRules): Promise<readonly Uint8Array[]> {
  const numeric = parseAddress(server.host);
  const texts = numeric ? [server.host] : await rules.resolve(server.host, rules.family, rules.signal);
  const length = rules.family === 4 ? 4 : 16;
  return texts.flatMap((text) => parseAddress(text) ?? []).filter((bytes) => bytes.length === length);
}

async function refusal(bytes: Uint8Array, endpoint: Endpoint, rules: AddressRules): Promise<string | undefined> {
  const kind = refusedAddress(bytes);
  if (kind !== undefined) return `${kind} address`;
  if (endpoint.port === rules.listenPort && rules.ownAddresses.has(formatAddress(bytes)))
    return "this host's own address and listen port";
  return rules.refuseServer?.(endpoint.address);
}
