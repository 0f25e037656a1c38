/** The record's binary member `c`: how new the record is, how the sender's NATs behave, and where else it may be reached. */
import type { Endpoint } from '../api/index.js';
import { createEndpoint, parseAddress } from '../net/index.js';

const VERSION = 1;
const FIXED_BYTES = 16;
/** Five bytes of seconds, two of generation. */
const MOST_SECONDS = 2 ** 40 - 1;

const MAPPINGS = [
  'unknown',
  'none',
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
] as const;
const FILTERINGS = ['unknown', 'endpoint-independent', 'address-dependent', 'address-and-port-dependent'] as const;

/** How a NAT chooses outer ports where its mapping depends on the destination. */
export type PortAllocation = 'unknown' | 'random' | { readonly delta: number } | { readonly block: number };
const ALLOCATIONS: readonly PortAllocation[] = [
  'unknown',
  'random',
  { delta: 1 },
  { delta: 2 },
  { delta: 3 },
  { delta: 4 },
  { block: 256 },
  { block: 512 },
  { block: 1024 },
  { block: 2048 },
];

/** Where else the sender may be reached, besides `ipv4` and `ipv6`. */
export interface FurtherCandidates {
  /** The port that a router maps; its address is that of the record's `ipv4` (F50). */
  readonly mappedPort?: number;
  readonly lan4?: Endpoint;
  readonly configured4?: Endpoint;
  readonly lan6?: Endpoint;
  readonly secondLan4?: Endpoint;
  readonly configured6?: Endpoint;
  readonly pinholePort?: number;
}

/** The same as kept in a file; anything else is undefined. */
export function readAllocation(value: unknown): PortAllocation | undefined {
  const text = JSON.stringify(value);
  return ALLOCATIONS.find((known) => JSON.stringify(known) === text);
}

export interface PathCode {
  /** The sender reads records of up to 2,048 characters. */
  readonly readsLong: boolean;
  readonly clockSane: boolean;
  readonly mapping4: (typeof MAPPINGS)[number];
  readonly filtering4: (typeof FILTERINGS)[number];
  readonly cgnat: boolean;
  readonly filtering6: (typeof FILTERINGS)[number];
  readonly allocation: PortAllocation;
  /** Seconds since 1970; names the candidates: a rewrite that only acknowledges keeps it. */
  readonly t: number;
  /** 16 bits, compared by RFC 1982. */
  readonly n: number;
  /** fingerprint() of the sender, against reflection (F20). */
  readonly f: string;
  /** The low 16 bits of `t` of the peer's record that the sender had read, and opened its NAT towards. */
  readonly ack?: number;
  readonly candidates: FurtherCandidates;
}

type Name = keyof FurtherCandidates;
/** Types and lengths of the list, in the order in which they are added as far as they fit. */
const LIST: readonly { readonly type: number; readonly name: Name; readonly bytes: number }[] = [
  { type: 4, name: 'mappedPort', bytes: 2 },
  { type: 1, name: 'lan4', bytes: 6 },
  { type: 6, name: 'configured4', bytes: 6 },
  { type: 3, name: 'lan6', bytes: 18 },
  { type: 2, name: 'secondLan4', bytes: 6 },
  { type: 7, name: 'configured6', bytes: 18 },
  { type: 5, name: 'pinholePort', bytes: 2 },
];

/** base64url of at most `maxCharacters`; undefined where not even the fixed part fits. Candidates that do not fit are named. */
export function formatPathCode(
  code: PathCode,
  maxCharacters = Number.POSITIVE_INFINITY,
): { readonly text: string; readonly omitted: readonly Name[] } | undefined {
  let room = Math.floor((maxCharacters * 3) / 4) - FIXED_BYTES;
  if (room < 0) return undefined;
  const parts: Uint8Array[] = [formatFixed(code)];
  const omitted: Name[] = [];
  for (const { type, name, bytes } of LIST) {
    const value = code.candidates[name];
    if (value === undefined) continue;
    if (room < 2 + bytes) omitted.push(name);
    else {
      room -= 2 + bytes;
      parts.push(Uint8Array.of(type, bytes), valueBytes(value));
    }
  }
  return { text: Buffer.concat(parts).toString('base64url'), omitted };
}

/** undefined: not readable, or of another version, which counts as a peer that does not know checks. */
export function parsePathCode(text: string): PathCode | undefined {
  if (!/^[A-Za-z0-9_-]+$/.test(text)) return undefined;
  const bytes = Uint8Array.from(Buffer.from(text, 'base64url'));
  const [first = 0, nat = 0, second = 0] = bytes;
  if (bytes.length < FIXED_BYTES || first >> 5 !== VERSION) return undefined;
  const view = new DataView(bytes.buffer);
  return {
    readsLong: (first & 0x10) !== 0,
    clockSane: (first & 0x08) !== 0,
    mapping4: MAPPINGS[nat >> 5] ?? 'unknown',
    filtering4: FILTERINGS[(nat >> 3) & 3] ?? 'unknown',
    cgnat: (nat & 4) !== 0,
    filtering6: FILTERINGS[nat & 3] ?? 'unknown',
    allocation: ALLOCATIONS[second >> 4] ?? 'unknown',
    t: view.getUint8(3) * 2 ** 32 + view.getUint32(4),
    n: view.getUint16(8),
    f: Buffer.from(bytes.subarray(10, 14)).toString('hex'),
    ...((second & 8) === 0 ? {} : { ack: view.getUint16(14) }),
    candidates: parseList(bytes.subarray(FIXED_BYTES)),
  };
}

/** RFC 1982, 16 bits: whether generation `a` comes after `b`. */
export function newerGeneration(a: number, b: number): boolean {
  const ahead = (a - b) & 0xffff;
  return ahead > 0 && ahead < 0x8000;
}

/** Of two records of one sender: whether `a` was written after `b`. */
export function writtenAfter(a: Pick<PathCode, 't' | 'n'>, b: Pick<PathCode, 't' | 'n'>): boolean {
  return a.t !== b.t ? a.t > b.t : newerGeneration(a.n, b.n);
}

/** What an acknowledgement of a record with this `t` says. */
export function acknowledgementOf(t: number): number {
  return t % 0x10000;
}

function formatFixed(code: PathCode): Uint8Array {
  const bytes = new Uint8Array(FIXED_BYTES);
  const view = new DataView(bytes.buffer);
  bytes[0] = (VERSION << 5) | (code.readsLong ? 0x10 : 0) | (code.clockSane ? 0x08 : 0);
  bytes[1] =
    (MAPPINGS.indexOf(code.mapping4) << 5) |
    (FILTERINGS.indexOf(code.filtering4) << 3) |
    (code.cgnat ? 4 : 0) |
    FILTERINGS.indexOf(code.filtering6);
  bytes[2] = (allocationCode(code.allocation) << 4) | (code.ack === undefined ? 0 : 8);
  const t = Math.min(Math.max(0, Math.floor(code.t)), MOST_SECONDS);
  view.setUint8(3, Math.floor(t / 2 ** 32));
  view.setUint32(4, t % 2 ** 32);
  view.setUint16(8, code.n & 0xffff);
  bytes.set(Buffer.from(code.f, 'hex').subarray(0, 4), 10);
  view.setUint16(14, (code.ack ?? 0) & 0xffff);
  return bytes;
}

function allocationCode(allocation: PortAllocation): number {
  const found = ALLOCATIONS.findIndex((known) => JSON.stringify(known) === JSON.stringify(allocation));
  return Math.max(0, found);
}

function valueBytes(value: Endpoint | number): Uint8Array {
  const port = typeof value === 'number' ? value : value.port;
  const address = typeof value === 'number' ? new Uint8Array() : (parseAddress(value.address) ?? new Uint8Array());
  return Uint8Array.of(...address, port >> 8, port & 0xff);
}

/** Unknown types, known ones of another length and repeated ones are passed over; one that is cut off ends the list. */
function parseList(bytes: Uint8Array): FurtherCandidates {
  const found: { -readonly [K in Name]?: FurtherCandidates[K] } = {};
  for (let at = 0; at + 2 <= bytes.length; ) {
    const [type, length = 0] = bytes.subarray(at, at + 2);
    const value = bytes.subarray(at + 2, at + 2 + length);
    if (value.length < length) break;
    at += 2 + length;
    const entry = LIST.find((known) => known.type === type && known.bytes === length);
    if (!entry || found[entry.name] !== undefined) continue;
    const port = ((value[length - 2] ?? 0) << 8) | (value[length - 1] ?? 0);
    if (entry.name === 'mappedPort' || entry.name === 'pinholePort') found[entry.name] = port;
    else found[entry.name] = createEndpoint(value.subarray(0, length - 2), port);
  }
  return found;
}
