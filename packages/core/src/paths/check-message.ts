/** Connectivity checks as bytes: STUN binding requests and answers that only the pair can make and tell apart (RFC 8489). */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Endpoint } from '../api/index.js';
import type { CheckKeys } from '../record/pair-keys.js';
import { ATTRIBUTE, readMappedAddress, xorAddressAttribute } from '../stun/attributes.js';
import { formatMessage, HEADER_BYTES, MAGIC_COOKIE, METHOD_BINDING, parseMessage } from '../stun/message.js';

/** Unassigned in IANA's registry of STUN attributes, in the range whose unknown members a reader ignores (RFC 8489 section 18.3). */
const CHECK = 0xc5a1;
const CHECK_VERSION = 1;
export const REQUEST_BYTES = 72;
/** Where the tag stands in a request: a packet filter reads it there. */
export const TAG_OFFSET = 24;
export const TAG_BYTES = 8;
const CHECK_OFFSET = TAG_OFFSET + TAG_BYTES;
const CHECK_BYTES = 16;
/** RFC 8489 section 14.6: the shortest that is allowed. */
const INTEGRITY_BYTES = 16;
const INTEGRITY_OFFSET = REQUEST_BYTES - INTEGRITY_BYTES - 4;

const FLAG = { clockSane: 1, nominated: 2, betterPath: 4 } as const;
const TYPES = ['host', 'reflexive', 'mapped', 'configured', 'learnt'] as const;
/** What the asked address is to the one who asks. */
export type CandidateType = (typeof TYPES)[number];

export interface CheckRequest {
  /** 12 bytes: the socket's prefix of 4, then 8 random ones; new for each transmission. */
  readonly transactionId: Uint8Array;
  readonly clockSane: boolean;
  /** The sender uses this path for WireGuard. */
  readonly nominated: boolean;
  /** The sender is connected and looks for a better path. */
  readonly betterPath: boolean;
  readonly type: CandidateType;
  /** The sender's clock, seconds since 1970. */
  readonly seconds: number;
}

export interface CheckAnswer {
  readonly transactionId: Uint8Array;
  /** Where the peer saw us. */
  readonly mapped: Endpoint;
}

/** `keys` are those of the direction from the sender to the receiver, `tag` is checkTag() of them. */
export function formatCheckRequest(keys: CheckKeys, tag: Uint8Array, request: CheckRequest): Uint8Array {
  // Written in place: a crowd of peers needs hundreds a second.
  const bytes = new Uint8Array(REQUEST_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, (METHOD_BINDING << 16) + REQUEST_BYTES - HEADER_BYTES);
  view.setUint32(4, MAGIC_COOKIE);
  bytes.set(request.transactionId, 8);
  view.setUint32(HEADER_BYTES, (ATTRIBUTE.USERNAME << 16) + TAG_BYTES);
  bytes.set(tag, TAG_OFFSET);
  view.setUint32(CHECK_OFFSET, ((CHECK << 16) | CHECK_BYTES) >>> 0);
  bytes[CHECK_OFFSET + 4] = CHECK_VERSION;
  bytes[CHECK_OFFSET + 5] =
    (request.clockSane ? FLAG.clockSane : 0) |
    (request.nominated ? FLAG.nominated : 0) |
    (request.betterPath ? FLAG.betterPath : 0);
  bytes[CHECK_OFFSET + 6] = TYPES.indexOf(request.type);
  view.setUint32(CHECK_OFFSET + 8, request.seconds);
  view.setUint32(INTEGRITY_OFFSET, (ATTRIBUTE.MESSAGE_INTEGRITY_SHA256 << 16) + INTEGRITY_BYTES);
  bytes.set(integrityOf(keys, bytes), REQUEST_BYTES - INTEGRITY_BYTES);
  return bytes;
}

/** Whether this can be a check's request, at the least cost: floods are looked at this far and no further. */
export function mayBeCheckRequest(bytes: Uint8Array): boolean {
  return bytes.length === REQUEST_BYTES && bytes[1] === METHOD_BINDING && bytes[3] === REQUEST_BYTES - HEADER_BYTES;
}

/** Whether this has the form of a check's request. */
export function isCheckRequest(bytes: Uint8Array): boolean {
  return (
    bytes.length === REQUEST_BYTES &&
    word(bytes, 0) === (METHOD_BINDING << 16) + REQUEST_BYTES - HEADER_BYTES &&
    word(bytes, 4) === MAGIC_COOKIE &&
    word(bytes, HEADER_BYTES) === (ATTRIBUTE.USERNAME << 16) + TAG_BYTES &&
    word(bytes, CHECK_OFFSET) === ((CHECK << 16) | CHECK_BYTES) >>> 0 &&
    word(bytes, INTEGRITY_OFFSET) === (ATTRIBUTE.MESSAGE_INTEGRITY_SHA256 << 16) + INTEGRITY_BYTES
  );
}

/** undefined: not a check, of another version, or not signed with these keys; such a one is met with silence (F44). */
export function parseCheckRequest(keys: CheckKeys, bytes: Uint8Array): CheckRequest | undefined {
  if (!isCheckRequest(bytes) || bytes[CHECK_OFFSET + 4] !== CHECK_VERSION || !isSigned(keys, bytes)) return undefined;
  const flags = bytes[CHECK_OFFSET + 5] ?? 0;
  return {
    transactionId: bytes.slice(8, HEADER_BYTES),
    clockSane: (flags & FLAG.clockSane) !== 0,
    nominated: (flags & FLAG.nominated) !== 0,
    betterPath: (flags & FLAG.betterPath) !== 0,
    type: TYPES[bytes[CHECK_OFFSET + 6] ?? 0] ?? 'reflexive',
    seconds: word(bytes, CHECK_OFFSET + 8),
  };
}

/** 52 or 64 bytes, signed with the responder's keys, so that a reflected request is no answer. */
export function formatCheckAnswer(keys: CheckKeys, transactionId: Uint8Array, from: Endpoint): Uint8Array {
  const integrity = { type: ATTRIBUTE.MESSAGE_INTEGRITY_SHA256, value: new Uint8Array(INTEGRITY_BYTES) };
  const bytes = formatMessage({
    class: 'success',
    method: METHOD_BINDING,
    transactionId,
    attributes: [xorAddressAttribute(from, transactionId), integrity],
  });
  bytes.set(integrityOf(keys, bytes), bytes.length - INTEGRITY_BYTES);
  return bytes;
}

/** `keys` are those of the direction from the responder to us. undefined: not an answer, or not signed with them. */
export function parseCheckAnswer(keys: CheckKeys, bytes: Uint8Array): CheckAnswer | undefined {
  const message = parseMessage(bytes);
  if (message?.class !== 'success' || message.method !== METHOD_BINDING || message.attributes.length !== 2)
    return undefined;
  if (message.attributes[1]?.type !== ATTRIBUTE.MESSAGE_INTEGRITY_SHA256 || !isSigned(keys, bytes)) return undefined;
  const mapped = readMappedAddress(message);
  return mapped && { transactionId: message.transactionId, mapped };
}

/** 8 bytes that name the pair and direction for 64 seconds; for others they are random. `slot` is slotOf(). */
export function checkTag(keys: CheckKeys, slot: number): Uint8Array {
  const data = new Uint8Array(8);
  new DataView(data.buffer).setBigInt64(0, BigInt(slot));
  return Uint8Array.from(createHmac('sha256', keys.tagKey).update(data).digest().subarray(0, TAG_BYTES));
}

function isSigned(keys: CheckKeys, bytes: Uint8Array): boolean {
  const found = bytes.subarray(bytes.length - INTEGRITY_BYTES);
  return found.length === INTEGRITY_BYTES && timingSafeEqual(found, integrityOf(keys, bytes));
}

/** Section 14.6: over all that stands before the attribute, with the header's length as if it were the last one, which it is. */
function integrityOf(keys: CheckKeys, bytes: Uint8Array): Uint8Array {
  const before = bytes.subarray(0, bytes.length - INTEGRITY_BYTES - 4);
  return createHmac('sha256', keys.macKey).update(before).digest().subarray(0, INTEGRITY_BYTES);
}

function word(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
  );
}
