/** PCP messages as bytes and back (RFC 6887 sections 7, 8, 11 and 14); pure. What is no answer to us is undefined, never an error. */
import { formatAddress } from '../../net/index.js';

const VERSION = 2;
const HEADER_BYTES = 24;
const MAP_BYTES = 36;
/** Section 7: the largest message. */
const MOST_BYTES = 1100;
const ANSWER = 0x80;
const OPCODES = { announce: 0, map: 1 } as const;
const UDP = 17;

/** Section 7.4, by number. */
const RESULTS = [
  'success',
  'unsupported-version',
  'not-authorized',
  'malformed-request',
  'unsupported-opcode',
  'unsupported-option',
  'malformed-option',
  'network-failure',
  'no-resources',
  'unsupported-protocol',
  'quota-exceeded',
  'cannot-provide-external',
  'address-mismatch',
  'excessive-remote-peers',
] as const;
export type PcpResult = (typeof RESULTS)[number] | 'unknown';

export interface PcpMapRequest {
  /** 4 or 16 bytes: the address that the request leaves from. */
  readonly client: Uint8Array;
  /** 12 bytes. */
  readonly nonce: Uint8Array;
  readonly internalPort: number;
  /** 0: no wish. */
  readonly externalPort: number;
  /** 0: the mapping is released. */
  readonly lifetimeSeconds: number;
}

interface PcpHead {
  readonly result: PcpResult;
  readonly lifetimeSeconds: number;
  /** Since the router lost its mappings last (section 8.5). */
  readonly epochSeconds: number;
}

export type PcpAnswer =
  /** By a server of another version of PCP, or one that speaks NAT-PMP alone (section 9, RFC 6886 section 3.5). */
  | { readonly kind: 'other-version' }
  | ({ readonly kind: 'announce' } & PcpHead)
  | ({
      readonly kind: 'map';
      readonly nonce: Uint8Array;
      readonly internalPort: number;
      readonly externalPort: number;
      /** Canonical; an IPv4-mapped one as IPv4. */
      readonly externalAddress: string;
    } & PcpHead);

/** A request for a UDP mapping (section 11.1), without options. */
export function formatPcpMap(request: PcpMapRequest): Uint8Array {
  const bytes = head(OPCODES.map, request.lifetimeSeconds, request.client, HEADER_BYTES + MAP_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(request.nonce, 24);
  bytes[36] = UDP;
  view.setUint16(40, request.internalPort);
  view.setUint16(42, request.externalPort);
  // Section 11.1: no wish for an address is all zeros in the wanted family.
  bytes.set(wide(new Uint8Array(request.client.length)), 44);
  return bytes;
}

/** The question for the epoch (section 14.1.1). */
export function formatPcpAnnounce(client: Uint8Array): Uint8Array {
  return head(OPCODES.announce, 0, client, HEADER_BYTES);
}

function head(opcode: number, lifetimeSeconds: number, client: Uint8Array, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes[0] = VERSION;
  bytes[1] = opcode;
  new DataView(bytes.buffer).setUint32(4, lifetimeSeconds);
  bytes.set(wide(client), 8);
  return bytes;
}

/** Section 5: addresses of IPv4 stand as IPv4-mapped ones. */
function wide(address: Uint8Array): Uint8Array {
  if (address.length === 16) return address;
  const bytes = new Uint8Array(16);
  bytes.fill(0xff, 10, 12);
  bytes.set(address, 12);
  return bytes;
}

/** An answer in one UDP payload; undefined: it is none, or is damaged. */
export function parsePcpAnswer(bytes: Uint8Array): PcpAnswer | undefined {
  if (bytes.length < 8 || bytes.length > MOST_BYTES || bytes.length % 4 !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const opcode = view.getUint8(1);
  if ((opcode & ANSWER) === 0) return undefined;
  if (view.getUint8(0) !== VERSION) {
    // NAT-PMP's result is two bytes long, PCP's is the second of them.
    const refused = view.getUint8(3) === 1 && (view.getUint8(0) !== 0 || view.getUint8(2) === 0);
    return refused ? { kind: 'other-version' } : undefined;
  }
  if (bytes.length < HEADER_BYTES) return undefined;
  const result = RESULTS[view.getUint8(3)] ?? ('unknown' as const);
  const common = { result, lifetimeSeconds: view.getUint32(4), epochSeconds: view.getUint32(8) };
  if (result === 'unsupported-version') return { kind: 'other-version' };
  if (opcode === (ANSWER | OPCODES.announce)) return { kind: 'announce', ...common };
  if (opcode !== (ANSWER | OPCODES.map) || bytes.length < HEADER_BYTES + MAP_BYTES) return undefined;
  if (view.getUint8(36) !== UDP) return undefined;
  return {
    kind: 'map',
    ...common,
    nonce: bytes.slice(24, 36),
    internalPort: view.getUint16(40),
    externalPort: view.getUint16(42),
    externalAddress: narrow(bytes.subarray(44, 60)),
  };
}

function narrow(address: Uint8Array): string {
  const mapped = address.subarray(0, 10).every((byte) => byte === 0) && address[10] === 0xff && address[11] === 0xff;
  return formatAddress(mapped ? address.subarray(12) : address);
}
