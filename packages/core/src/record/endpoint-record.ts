/** The plain text of a record: where a host can be reached, and how new that is. */
import { type Endpoint, type Family, type PublicKey, publicKeyBytes, StunmeshError } from '../api/index.js';
import { formatEndpoint, parseAddress, parseEndpoint, refusedAddress } from '../net/index.js';
import { formatPathCode, type PathCode, parsePathCode } from './path-code.js';

export interface EndpointRecord {
  readonly ipv4?: Endpoint;
  readonly ipv6?: Endpoint;
  /** The binary member `c`: all that a record tells besides its endpoints; absent from older writers. */
  readonly c?: PathCode;
}

/** A record as read: endpoints that cannot be used are left out and named. */
export interface ParsedRecord extends EndpointRecord {
  /** Of `c`: seconds since 1970, strictly growing for a sender but for rewrites that only acknowledge. */
  readonly t?: number;
  /** Of `c`: grows at every network event, changed mapping and rewrite of the sender; 16 bits. */
  readonly n?: number;
  /** Of `c`: fingerprint() of the sender, against reflection (F20). */
  readonly f?: string;
  readonly problems: readonly string[];
}

/** First 8 hex digits of a public key. */
export function fingerprint(key: PublicKey): string {
  return Buffer.from(publicKeyBytes(key).subarray(0, 4)).toString('hex');
}

/** Characters of a sealed value for a plain text of ASCII: 24 bytes nonce, 16 bytes tag, in hex. */
export function sealedLength(plain: string): number {
  return 2 * (40 + plain.length);
}

/** Why this endpoint can be nobody's address, in a phrase; undefined when it can (F19, as far as the address alone tells). */
export function refusedEndpoint(endpoint: Endpoint): string | undefined {
  if (endpoint.port === 0) return 'port 0';
  const reason = refusedAddress(parseAddress(endpoint.address) ?? new Uint8Array());
  return reason === undefined ? undefined : `${/^[aiou]/.test(reason) ? 'an' : 'a'} ${reason} address`;
}

/** JSON without spaces whose sealed form fits in `maxValueBytes` characters: of `c` as many candidates as fit, of what does not fit
 * the last member first is left out. `omitted` names members and candidates.
 * Errors: ERR_RECORD_TOO_LARGE when not even one endpoint fits. */
export function formatRecord(
  record: EndpointRecord,
  maxValueBytes = Number.POSITIVE_INFINITY,
): { readonly plain: string; readonly omitted: readonly string[] } {
  const members: [string, string][] = [];
  if (record.ipv4) members.push(['ipv4', formatEndpoint(record.ipv4)]);
  if (record.ipv6) members.push(['ipv6', formatEndpoint(record.ipv6)]);
  const omitted: string[] = [];
  const c = record.c && fitPathCode(record.c, members, maxValueBytes);
  if (c) {
    members.push(['c', c.text]);
    omitted.push(...c.omitted);
  } else if (record.c) omitted.push('c');
  for (;;) {
    const plain = JSON.stringify(Object.fromEntries(members));
    if (sealedLength(plain) <= maxValueBytes) return { plain, omitted };
    const last = members.length > 1 ? members.pop() : undefined;
    if (!last) {
      throw new StunmeshError(
        'ERR_RECORD_TOO_LARGE',
        `a record needs ${sealedLength(plain)} characters and the store takes ${maxValueBytes}; use another store`,
      );
    }
    omitted.push(last[0]);
  }
}

function fitPathCode(
  code: PathCode,
  members: readonly (readonly [string, string])[],
  maxValueBytes: number,
): ReturnType<typeof formatPathCode> {
  const without = JSON.stringify(Object.fromEntries([...members, ['c', '']]));
  return formatPathCode(code, (maxValueBytes - sealedLength(without)) / 2);
}

/** Reads a plain text leniently: names in any letter case, unknown members ignored, null as absent.
 * Errors: ERR_RECORD_MALFORMED, which never quotes the text. */
export function parseRecord(plain: string): ParsedRecord {
  const object = parseObject(plain);
  const problems: string[] = [];
  const record: { ipv4?: Endpoint; ipv6?: Endpoint; c?: PathCode } = {};
  for (const [key, value] of Object.entries(object)) {
    const name = key.toLowerCase();
    if (name === 'ipv4' || name === 'ipv6') {
      const endpoint = readEndpoint(name, value, problems);
      if (endpoint) record[name] = endpoint;
    } else if (key === 'c' && typeof value === 'string') {
      const code = parsePathCode(value);
      if (code) record.c = code;
    }
  }
  const told = record.c && { t: record.c.t, n: record.c.n, f: record.c.f };
  return { ...record, ...told, problems };
}

function parseObject(plain: string): object {
  let value: unknown;
  try {
    value = JSON.parse(plain);
  } catch {
    throw new StunmeshError('ERR_RECORD_MALFORMED', 'the record opens but is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new StunmeshError('ERR_RECORD_MALFORMED', 'the record opens but is not a JSON object');
  }
  return value;
}

function readEndpoint(name: 'ipv4' | 'ipv6', value: unknown, problems: string[]): Endpoint | undefined {
  if (value === null || value === '') return undefined;
  if (typeof value !== 'string')
    throw new StunmeshError('ERR_RECORD_MALFORMED', `the record's ${name} is not a string`);
  const family: Family = name === 'ipv4' ? 4 : 6;
  const endpoint = parseEndpoint(value);
  // A link-local zone of another host means nothing here.
  if (!endpoint || endpoint.zone !== undefined) problems.push(`its ${name} is not a numeric address and port`);
  else if (endpoint.family !== family) problems.push(`its ${name} holds an address of the other family`);
  else {
    const reason = refusedEndpoint(endpoint);
    if (reason === undefined) return endpoint;
    problems.push(`its ${name} is ${reason}`);
  }
  return undefined;
}
