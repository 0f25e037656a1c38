/** NAT-PMP messages as bytes and back (RFC 6886 section 3); pure. What is no answer to us is undefined, never an error. */
import { formatAddress } from '../../net/index.js';

const VERSION = 0;
const ANSWER = 0x80;
const OPCODES = { address: 0, mapUdp: 1 } as const;
/** Section 3.5, by number. */
const RESULTS = [
  'success',
  'unsupported-version',
  'not-authorized',
  'network-failure',
  'no-resources',
  'unsupported-opcode',
] as const;
export type NatPmpResult = (typeof RESULTS)[number] | 'unknown';

interface NatPmpHead {
  readonly result: NatPmpResult;
  /** Since the router lost its mappings last (section 3.6). */
  readonly epochSeconds: number;
}

export type NatPmpAnswer =
  | ({ readonly kind: 'address'; readonly externalAddress: string } & NatPmpHead)
  | ({
      readonly kind: 'map';
      readonly internalPort: number;
      readonly externalPort: number;
      readonly lifetimeSeconds: number;
    } & NatPmpHead)
  /** An error without the rest of its message, which some routers leave out. */
  | ({ readonly kind: 'error'; readonly of: 'address' | 'map' } & NatPmpHead);

/** The question for the external address, which tells the epoch too (section 3.2). */
export function formatNatPmpAddress(): Uint8Array {
  return Uint8Array.of(VERSION, OPCODES.address);
}

/** A request for a UDP mapping (section 3.3); a lifetime of 0 releases it (section 3.4), and its external port is 0 then. */
export function formatNatPmpMap(request: {
  readonly internalPort: number;
  readonly externalPort: number;
  readonly lifetimeSeconds: number;
}): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  bytes[0] = VERSION;
  bytes[1] = OPCODES.mapUdp;
  view.setUint16(4, request.internalPort);
  view.setUint16(6, request.lifetimeSeconds === 0 ? 0 : request.externalPort);
  view.setUint32(8, request.lifetimeSeconds);
  return bytes;
}

/** An answer in one UDP payload; undefined: it is none, or is damaged. */
export function parseNatPmpAnswer(bytes: Uint8Array): NatPmpAnswer | undefined {
  if (bytes.length < 8 || bytes.length > 16) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const opcode = view.getUint8(1);
  if (view.getUint8(0) !== VERSION || (opcode & ANSWER) === 0) return undefined;
  const of =
    opcode === (ANSWER | OPCODES.address) ? 'address' : opcode === (ANSWER | OPCODES.mapUdp) ? 'map' : undefined;
  if (!of) return undefined;
  const common = { result: RESULTS[view.getUint16(2)] ?? ('unknown' as const), epochSeconds: view.getUint32(4) };
  if (of === 'address' && bytes.length === 12)
    return { kind: 'address', ...common, externalAddress: formatAddress(bytes.subarray(8, 12)) };
  if (of === 'map' && bytes.length === 16)
    return {
      kind: 'map',
      ...common,
      internalPort: view.getUint16(8),
      externalPort: view.getUint16(10),
      lifetimeSeconds: view.getUint32(12),
    };
  return common.result === 'success' ? undefined : { kind: 'error', of, ...common };
}
