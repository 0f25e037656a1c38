/** Decides whether a record of a peer may be used: whose it is, and where it points (F19, F20). */
import { type Device, type Endpoint, type PublicKey, StunmeshError } from '../api/index.js';
import { formatEndpoint, sameEndpoint } from '../net/index.js';
import { fingerprint, type ParsedRecord } from './endpoint-record.js';

/** Where this host stands: what no endpoint of a peer may lead back to. */
export interface OwnPlace {
  readonly own: Device;
  /** This host's own addresses. */
  readonly ownAddresses: readonly string[];
  /** The interface by which packets to an address leave; undefined: unknown or none. */
  routeOf(address: string): Promise<string | undefined>;
}

export interface AcceptanceInput extends OwnPlace {
  readonly record: ParsedRecord;
  readonly peer: PublicKey;
  /** The endpoints that we publish now. */
  readonly published: readonly Endpoint[];
}

/** The record without the endpoints that must not be used, each named in `problems`.
 * Errors: ERR_RECORD_REFLECTED; ERR_RECORD_ENDPOINT when no endpoint is left of some that were there. */
export async function acceptRecord(input: AcceptanceInput): Promise<ParsedRecord> {
  const { record } = input;
  refuseReflected(input);
  const problems = [...record.problems];
  const accepted: { ipv4?: Endpoint; ipv6?: Endpoint } = {};
  for (const name of ['ipv4', 'ipv6'] as const) {
    const endpoint = record[name];
    if (!endpoint) continue;
    const reason = await refusedHere(endpoint, input);
    if (reason === undefined) accepted[name] = endpoint;
    else problems.push(`its ${name} is ${reason}`);
  }
  if (!accepted.ipv4 && !accepted.ipv6 && problems.length > 0) {
    throw new StunmeshError(
      'ERR_RECORD_ENDPOINT',
      `the peer's record names no usable endpoint: ${problems.join('; ')}`,
    );
  }
  const { ipv4: _four, ipv6: _six, ...rest } = record;
  return { ...rest, ...accepted, problems };
}

/** The box is symmetric: what we sealed for the peer opens for us too, if somebody copies it into the peer's place. */
function refuseReflected({ record, peer, own, published }: AcceptanceInput): void {
  const reflected = (why: string) =>
    new StunmeshError(
      'ERR_RECORD_REFLECTED',
      `the record under the peer's key ${why}; somebody who can write the store has put it there`,
    );
  if (record.f !== undefined) {
    if (record.f === fingerprint(own.publicKey)) throw reflected('is one of our own');
    if (record.f !== fingerprint(peer)) throw reflected('was made by neither of us');
    return;
  }
  const endpoints = [record.ipv4, record.ipv6].filter((e) => e !== undefined);
  const same = (a: Endpoint) => published.some((b) => sameEndpoint(a, b));
  if (endpoints.length > 0 && endpoints.every(same)) throw reflected('equals the endpoint that we publish ourselves');
}

/** Why no packet for a peer may be sent to this endpoint from here, in a phrase; undefined: nothing is against it. */
export async function refusedHere(endpoint: Endpoint, input: OwnPlace): Promise<string | undefined> {
  if (endpoint.port === input.own.listenPort && input.ownAddresses.includes(endpoint.address)) {
    return `${formatEndpoint(endpoint)}, this very host and port`;
  }
  if ((await input.routeOf(endpoint.address)) === input.own.realName) {
    return `${formatEndpoint(endpoint)}, whose route leaves by the tunnel itself`;
  }
  return undefined;
}
