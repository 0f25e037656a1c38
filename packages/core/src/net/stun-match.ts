/** Which STUN messages a capture hands over: what the BPF programs test, said as data, and the same test for user code (F3, F4). */
import type { StunRequests } from '../api/index.js';

/** RFC 8489 section 5. */
export const MAGIC_COOKIE = 0x2112a442;
/** Binding success and error responses. WireGuard's first bytes (01 00 to 04 00) have zero top bits too, and its receiver
 * index can equal the cookie: only the exact types tell them apart. */
export const RESPONSE_TYPES = [0x0101, 0x0111] as const;
export const REQUEST_TYPE = 0x0001;
/** A check's request: this long with its header, USERNAME of eight bytes first, and the tag in it. */
export const CHECK = { bytes: 72, bodyBytes: 52, username: 0x0006_0008, usernameAt: 20, tagAt: 24 } as const;
/** So many tags a program tests (60 peers with six each): it has to fit the 512 instructions of the BSDs. With more it tests type and length alone. */
export const MOST_TAGS = 360;
/** What a reader hands over of requests. */
export const MOST_REQUESTS_A_SECOND = 2000;
/** So many prefixes a program tests. */
export const MOST_PREFIXES = 16;
export const TRANSACTION_PREFIX_BYTES = 4;

/** Requests that are handed over: the tag's first word is one of these; none: no request is. */
export type RequestMatch = Pick<StunRequests, 'tags'>;

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Messages to this port of ours; or, where a firewall of this host rewrites it, responses from this port of a server to any port. */
export type StunMatch = (
  | {
      readonly localPort: number;
      readonly requests?: RequestMatch;
      /** Ports of ours that are heard too. */
      readonly ports?: PortRange;
    }
  | { readonly sourcePort: number }
) & {
  /** A response's transaction id begins with one of these words; absent: with any. */
  readonly prefixes?: readonly number[];
};

/** What a STUN socket with these options wants. Errors: RangeError for a prefix of other than four bytes. */
export function createStunMatch(
  { localPort, transactionPrefix }: { readonly localPort: number; readonly transactionPrefix?: Uint8Array },
  requests: StunRequests | undefined,
): StunMatch {
  return {
    localPort,
    ...(transactionPrefix && { prefixes: [readPrefix(transactionPrefix)] }),
    ...(requests && { requests: { tags: requests.tags }, ...(requests.ports && { ports: requests.ports }) }),
  };
}

/** One match for what any of several for the same port wants; more prefixes than a program tests count as any. undefined: of none. */
export function joinMatches(matches: readonly StunMatch[]): StunMatch | undefined {
  const [first] = matches;
  if (!first) return undefined;
  const prefixes = new Set(matches.flatMap((match) => match.prefixes ?? []));
  const bound = prefixes.size <= MOST_PREFIXES && matches.every((match) => match.prefixes !== undefined);
  const joined = bound ? { prefixes: [...prefixes] } : {};
  if ('sourcePort' in first) return { sourcePort: first.sourcePort, ...joined };
  const wanted = matches.flatMap((match) => ('localPort' in match ? [match] : []));
  const tags = [...new Set(wanted.flatMap(({ requests }) => requests?.tags ?? []))];
  const ranges = wanted.flatMap(({ ports }) => ports ?? []);
  return {
    localPort: first.localPort,
    ...(tags.length > 0 && { requests: { tags } }),
    ...(ranges.length > 0 && {
      ports: { first: Math.min(...ranges.map((r) => r.first)), last: Math.max(...ranges.map((r) => r.last)) },
    }),
    ...joined,
  };
}

/** The first word of transaction ids. Errors: RangeError for other than four bytes. */
export function readPrefix(bytes: Uint8Array): number {
  if (bytes.length !== TRANSACTION_PREFIX_BYTES)
    throw new RangeError(`a transaction prefix has ${TRANSACTION_PREFIX_BYTES} bytes, not ${bytes.length}`);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0);
}

/** A binding response's type, the magic cookie as its second word, and one of the prefixes as its third. */
export function isStunResponse(payload: Uint8Array, prefixes?: readonly number[]): boolean {
  if (payload.length < (prefixes ? 12 : 8)) return false;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const type = view.getUint16(0);
  if (!RESPONSE_TYPES.some((t) => t === type) || view.getUint32(4) !== MAGIC_COOKIE) return false;
  return prefixes === undefined || prefixes.includes(view.getUint32(8));
}

/** The first word of a check request's tag; undefined: the message is none. */
export function readTag(payload: Uint8Array): number | undefined {
  if (payload.length !== CHECK.bytes) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  if (view.getUint16(0) !== REQUEST_TYPE || view.getUint16(2) !== CHECK.bodyBytes) return undefined;
  if (view.getUint32(4) !== MAGIC_COOKIE || view.getUint32(CHECK.usernameAt) !== CHECK.username) return undefined;
  return view.getUint32(CHECK.tagAt);
}

/** What a match's program tests of a datagram, for user code, and every tag however many there are. */
export function createStunTest(
  match: StunMatch,
): (payload: Uint8Array, sourcePort: number, localPort: number) => boolean {
  const tags = new Set('localPort' in match ? match.requests?.tags : undefined);
  const atPort = (sourcePort: number, localPort: number): boolean => {
    if (!('localPort' in match)) return sourcePort === match.sourcePort;
    const { ports } = match;
    return (
      localPort === match.localPort || (ports !== undefined && localPort >= ports.first && localPort <= ports.last)
    );
  };
  return (payload, sourcePort, localPort) => {
    if (!atPort(sourcePort, localPort)) return false;
    if (isStunResponse(payload, match.prefixes)) return true;
    const tag = tags.size === 0 ? undefined : readTag(payload);
    return tag !== undefined && tags.has(tag);
  };
}
