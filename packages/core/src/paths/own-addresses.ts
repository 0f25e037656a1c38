/** What our own record says of where we can be reached: which address is `ipv4`, and what the member `c` adds (F50). */
import type { Endpoint, Family } from '../api/index.js';
import type { NatSummary } from '../nat/behaviour-types.js';
import { formatEndpoint } from '../net/index.js';
import type { EndpointRecord } from '../record/endpoint-record.js';
import type { FurtherCandidates, PathCode, PortAllocation } from '../record/path-code.js';

export interface OwnAddresses {
  readonly reflexive4?: Endpoint;
  readonly reflexive6?: Endpoint;
  /** What a router maps, with the address that STUN sees. */
  readonly mapped4?: Endpoint;
  readonly pinhole6?: Endpoint;
  /** At most two of IPv4 and one of IPv6 are told. */
  readonly lan: readonly Endpoint[];
  /** `advertise`, resolved; the first of each family is told. */
  readonly configured: readonly Endpoint[];
}

export interface OwnState {
  readonly nat: ReadonlyMap<Family, NatSummary>;
  readonly allocation: PortAllocation;
  readonly clockSane: boolean;
  readonly t: number;
  readonly n: number;
  /** fingerprint() of our public key. */
  readonly f: string;
  /** PeerChecks.acknowledgement(). */
  readonly ack?: number;
}

/** The addresses of a record as text, to tell whether another one names the same; what a store's size left out counts. */
export function statedAddresses({ ipv4, ipv6, c }: EndpointRecord): string {
  const further = Object.entries(c?.candidates ?? {}).map(
    ([name, value]) => `${name} ${typeof value === 'number' ? value : formatEndpoint(value)}`,
  );
  return [...[ipv4, ipv6].map((endpoint) => (endpoint ? formatEndpoint(endpoint) : '-')), ...further.sort()].join(' ');
}

export function ownRecord(addresses: OwnAddresses, state: OwnState): EndpointRecord {
  const { reflexive4, reflexive6, mapped4, pinhole6 } = addresses;
  const ipv4 = preferMapped(mapped4, reflexive4, state.nat.get(4)) ? mapped4 : reflexive4;
  const ipv6 = reflexive6 ?? pinhole6;
  const of = (list: readonly Endpoint[], family: Family) => list.filter((endpoint) => endpoint.family === family);
  const [lan4, secondLan4] = of(addresses.lan, 4);
  const [lan6] = of(addresses.lan, 6);
  const [configured4] = of(addresses.configured, 4);
  const [configured6] = of(addresses.configured, 6);
  const candidates: FurtherCandidates = {
    // Also where it is `ipv4` itself: who knows checks learns that everybody may come in there.
    ...(mapped4 && mapped4.address === ipv4?.address ? { mappedPort: mapped4.port } : {}),
    ...(pinhole6 && pinhole6.address === ipv6?.address ? { pinholePort: pinhole6.port } : {}),
    ...(lan4 ? { lan4 } : {}),
    ...(secondLan4 ? { secondLan4 } : {}),
    ...(lan6 ? { lan6 } : {}),
    ...(configured4 ? { configured4 } : {}),
    ...(configured6 ? { configured6 } : {}),
  };
  return { ...(ipv4 ? { ipv4 } : {}), ...(ipv6 ? { ipv6 } : {}), c: codeOf(state, candidates) };
}

/** A reflexive port that is another one for each peer helps nobody; what the router forwards does. */
function preferMapped(
  mapped: Endpoint | undefined,
  reflexive: Endpoint | undefined,
  nat: NatSummary | undefined,
): boolean {
  return mapped !== undefined && (reflexive === undefined || nat?.mapping !== 'endpoint-independent');
}

function codeOf({ nat, allocation, clockSane, t, n, f, ack }: OwnState, candidates: FurtherCandidates): PathCode {
  const four = nat.get(4);
  return {
    readsLong: true,
    clockSane,
    mapping4: four?.mapping ?? 'unknown',
    filtering4: four?.filtering ?? 'unknown',
    cgnat: four?.cgnat ?? false,
    filtering6: nat.get(6)?.filtering ?? 'unknown',
    allocation,
    t,
    n,
    f,
    ...(ack === undefined ? {} : { ack }),
    candidates,
  };
}
