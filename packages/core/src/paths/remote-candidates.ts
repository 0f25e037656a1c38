/** The candidates that a peer's record names, and why some are not tried (F45, F47). */
import type { Endpoint, Family } from '../api/index.js';
import { isPrivate } from '../nat/filtering.js';
import { contains, type Prefix, parseAddress, sameEndpoint } from '../net/index.js';
import { type EndpointRecord, refusedEndpoint } from '../record/endpoint-record.js';
import type { PathCode } from '../record/path-code.js';
import type { CandidateType } from './check-message.js';
import type { RemoteCandidate } from './path.js';

export interface CandidateRules {
  /** Prefixes of the links that this host is on, those of tunnels left out. */
  readonly links: readonly Prefix[];
  /** `interfaces.NAME.lan`: false for none, true for the links alone, prefixes in addition to them. */
  readonly lan: boolean | readonly Prefix[];
  /** Families that this device and this peer use. */
  readonly families: ReadonlySet<Family>;
  /** Why this endpoint must not be used (F19: its route leaves by the tunnel, this very host), in a phrase. */
  refuse(endpoint: Endpoint): string | undefined;
}

/** An address of a record that is not tried. */
export interface RefusedCandidate extends Pick<RemoteCandidate, 'endpoint' | 'type'> {
  /** After "it is": "not on a link of ours". */
  readonly why: string;
}

export interface RemoteCandidates {
  readonly candidates: readonly RemoteCandidate[];
  readonly refused: readonly RefusedCandidate[];
}

/** Nothing of a record without `c`: its sender does not know checks. */
export function remoteCandidates(record: EndpointRecord, rules: CandidateRules): RemoteCandidates {
  const candidates: RemoteCandidate[] = [];
  const refused: RefusedCandidate[] = [];
  for (const { type, endpoint } of named(record)) {
    if (!rules.families.has(endpoint.family) || candidates.some((known) => sameEndpoint(known.endpoint, endpoint)))
      continue;
    const lan = isLan(endpoint, rules);
    const strange = (type === 'host' || type === 'configured') && isPrivate(endpoint.address) && !lan;
    const why =
      refusedEndpoint(endpoint) ??
      rules.refuse(endpoint) ??
      (type === 'host' && rules.lan === false ? 'not tried, since lan is off' : undefined) ??
      (strange ? 'not on a link of ours, nor inside a prefix of lan' : undefined);
    const open = isForwarded(type, endpoint.family, record.c);
    if (why === undefined) candidates.push({ endpoint, type, lan, ...(open ? { open } : {}) });
    else refused.push({ endpoint, type, why });
  }
  return { candidates, refused };
}

/** Whether the peer may be reached at this endpoint by its record, whatever it knows of checks. */
export function namesEndpoint(record: EndpointRecord, endpoint: Endpoint | undefined): boolean {
  const plain = [record.ipv4, record.ipv6].some((one) => sameEndpoint(one, endpoint));
  return plain || named(record).some((one) => sameEndpoint(one.endpoint, endpoint));
}

/** F47: on a link of ours, or inside a prefix that `lan` lists. */
export function isLan(endpoint: Endpoint, { links, lan }: Pick<CandidateRules, 'links' | 'lan'>): boolean {
  if (lan === false) return false;
  const address = parseAddress(endpoint.address);
  const prefixes = lan === true ? links : [...links, ...lan];
  return address !== undefined && prefixes.some((prefix) => contains(prefix, address));
}

/** Ports that a router forwards to the peer, and addresses behind no NAT, or behind one that lets everybody in. */
function isForwarded(type: CandidateType, family: Family, code: PathCode | undefined): boolean {
  if (type === 'configured' || type === 'mapped') return true;
  if (type !== 'reflexive' || !code) return false;
  if (family === 6) return code.filtering6 === 'endpoint-independent';
  return code.mapping4 === 'none' || code.filtering4 === 'endpoint-independent';
}

interface Named {
  readonly type: CandidateType;
  readonly endpoint: Endpoint;
}

/** In the order in which they are asked first. */
function named({ ipv4, ipv6, c }: EndpointRecord): Named[] {
  if (!c) return [];
  const { lan4, secondLan4, lan6, mappedPort, pinholePort, configured4, configured6 } = c.candidates;
  const list: (Omit<Named, 'endpoint'> & { endpoint: Endpoint | undefined })[] = [
    { type: 'host', endpoint: lan4 },
    { type: 'host', endpoint: lan6 },
    { type: typeOf(ipv6, pinholePort), endpoint: ipv6 },
    { type: typeOf(ipv4, mappedPort), endpoint: ipv4 },
    { type: 'mapped', endpoint: withPort(ipv4, mappedPort) },
    { type: 'mapped', endpoint: withPort(ipv6, pinholePort) },
    { type: 'configured', endpoint: configured4 },
    { type: 'configured', endpoint: configured6 },
    { type: 'host', endpoint: secondLan4 },
  ];
  return list.flatMap(({ endpoint, ...rest }) => (endpoint ? [{ ...rest, endpoint }] : []));
}

/** The record's own address may be the very one that a router forwards. */
function typeOf(endpoint: Endpoint | undefined, forwarded: number | undefined): CandidateType {
  return endpoint && endpoint.port === forwarded ? 'mapped' : 'reflexive';
}

function withPort(endpoint: Endpoint | undefined, port: number | undefined): Endpoint | undefined {
  return endpoint && port !== undefined ? { ...endpoint, port } : undefined;
}
