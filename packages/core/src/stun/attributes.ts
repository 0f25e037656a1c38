/** The attributes that stunmesh reads and writes (RFC 8489 section 14, RFC 5780 section 7); pure, absent or malformed ones are undefined. */
import type { Endpoint } from '../api/index.js';
import { createEndpoint, parseAddress } from '../net/index.js';
import { HEADER_BYTES, MAGIC_COOKIE, type StunAttribute, type StunMessage } from './message.js';

/** Attribute types; RFC 8489 unless another one is named. */
export const ATTRIBUTE = {
  /** Section 14.1. */
  MAPPED_ADDRESS: 0x0001,
  /** RFC 5780 section 7.2. */
  CHANGE_REQUEST: 0x0003,
  /** RFC 3489 section 11.2.5, later SOURCE-ADDRESS of old servers. */
  SOURCE_ADDRESS: 0x0004,
  /** RFC 3489 section 11.2.3, OTHER-ADDRESS of old servers. */
  CHANGED_ADDRESS: 0x0005,
  /** Section 14.3. */
  USERNAME: 0x0006,
  /** Section 14.5. */
  MESSAGE_INTEGRITY: 0x0008,
  /** Section 14.8. */
  ERROR_CODE: 0x0009,
  /** Section 14.13. */
  UNKNOWN_ATTRIBUTES: 0x000a,
  /** Section 14.9. */
  REALM: 0x0014,
  /** Section 14.10. */
  NONCE: 0x0015,
  /** Section 14.6. */
  MESSAGE_INTEGRITY_SHA256: 0x001c,
  /** Section 14.12. */
  PASSWORD_ALGORITHM: 0x001d,
  /** Section 14.4. */
  USERHASH: 0x001e,
  /** Section 14.2. */
  XOR_MAPPED_ADDRESS: 0x0020,
  /** The type that drafts of RFC 5389 gave XOR-MAPPED-ADDRESS; old servers still use it. */
  XOR_MAPPED_ADDRESS_OLD: 0x8020,
  /** Section 14.14. */
  SOFTWARE: 0x8022,
  /** RFC 5780 section 7.3. */
  RESPONSE_ORIGIN: 0x802b,
  /** RFC 5780 section 7.4. */
  OTHER_ADDRESS: 0x802c,
} as const;

/** Section 14.1: address families. */
const FAMILY_IPV4 = 0x01;
const FAMILY_IPV6 = 0x02;
/** RFC 5780 section 7.2: flags of CHANGE-REQUEST. */
const CHANGE_IP = 0x04;
const CHANGE_PORT = 0x02;
/** Section 14.8: a reason has fewer than 128 characters. */
const REASON_CHARACTERS = 127;

export interface ErrorCodeValue {
  /** 300 to 699. */
  readonly code: number;
  readonly reason: string;
}

export interface ChangeRequest {
  readonly changeIp: boolean;
  readonly changePort: boolean;
}

/** The first attribute of this type (section 14: repeated ones are ignored). */
export function findAttribute(message: StunMessage, type: number): Uint8Array | undefined {
  return message.attributes.find((a) => a.type === type)?.value;
}

/** The reflexive address: XOR-MAPPED-ADDRESS, its old type, or MAPPED-ADDRESS alone (F7). Whether it makes sense is not judged here. */
export function readMappedAddress(message: StunMessage): Endpoint | undefined {
  return (
    readXorAddress(message, ATTRIBUTE.XOR_MAPPED_ADDRESS) ??
    readXorAddress(message, ATTRIBUTE.XOR_MAPPED_ADDRESS_OLD) ??
    readAddress(message, ATTRIBUTE.MAPPED_ADDRESS)
  );
}

/** An attribute in the form of MAPPED-ADDRESS (section 14.1): RESPONSE-ORIGIN and OTHER-ADDRESS too. */
export function readAddress(message: StunMessage, type: number): Endpoint | undefined {
  const value = findAttribute(message, type);
  if (value === undefined || value.length < 4) return undefined;
  const address = value.subarray(4);
  if (address.length !== addressBytes(value[1])) return undefined;
  return createEndpoint(address, uint16(value, 2));
}

function readXorAddress(message: StunMessage, type: number): Endpoint | undefined {
  const value = findAttribute(message, type);
  if (value === undefined || value.length < 4 || value.length - 4 !== addressBytes(value[1])) return undefined;
  const plain = xorAddress(value, message.transactionId);
  return createEndpoint(plain.subarray(4), uint16(plain, 2));
}

function addressBytes(family: number | undefined): number | undefined {
  if (family === FAMILY_IPV4) return 4;
  return family === FAMILY_IPV6 ? 16 : undefined;
}

/** Section 14.2: port and address exclusive-or'ed with cookie and transaction id; its own inverse. */
function xorAddress(value: Uint8Array, transactionId: Uint8Array): Uint8Array {
  const pad = new Uint8Array(HEADER_BYTES - 4);
  new DataView(pad.buffer).setUint32(0, MAGIC_COOKIE);
  pad.set(transactionId, 4);
  return value.map((byte, i) => {
    if (i < 2) return byte;
    return byte ^ (pad[i < 4 ? i - 2 : i - 4] ?? 0);
  });
}

/** An attribute in the form of MAPPED-ADDRESS. The address must be canonical text, without zone. */
export function addressAttribute(type: number, { address, port }: Endpoint): StunAttribute {
  const bytes = parseAddress(address) ?? new Uint8Array(4);
  const value = new Uint8Array(4 + bytes.length);
  value[1] = bytes.length === 4 ? FAMILY_IPV4 : FAMILY_IPV6;
  value[2] = port >> 8;
  value[3] = port & 0xff;
  value.set(bytes, 4);
  return { type, value };
}

/** XOR-MAPPED-ADDRESS for a message with this transaction id. */
export function xorAddressAttribute(endpoint: Endpoint, transactionId: Uint8Array): StunAttribute {
  const { value } = addressAttribute(ATTRIBUTE.XOR_MAPPED_ADDRESS, endpoint);
  return { type: ATTRIBUTE.XOR_MAPPED_ADDRESS, value: xorAddress(value, transactionId) };
}

/** ERROR-CODE (section 14.8); the reason is the server's text, shortened and freed of control characters. */
export function readErrorCode(message: StunMessage): ErrorCodeValue | undefined {
  const value = findAttribute(message, ATTRIBUTE.ERROR_CODE);
  if (value === undefined || value.length < 4) return undefined;
  const word = uint16(value, 2);
  const hundreds = (word >> 8) & 0x07;
  const rest = word & 0xff;
  if (hundreds < 3 || hundreds > 6 || rest > 99) return undefined;
  return { code: hundreds * 100 + rest, reason: readText(value.subarray(4)) };
}

export function errorCodeAttribute({ code, reason }: ErrorCodeValue): StunAttribute {
  const text = new TextEncoder().encode(reason);
  return {
    type: ATTRIBUTE.ERROR_CODE,
    value: Uint8Array.from([0, 0, Math.floor(code / 100), code % 100, ...text]),
  };
}

/** UNKNOWN-ATTRIBUTES (section 14.13): the types that a server did not know. */
export function readUnknownAttributes(message: StunMessage): readonly number[] | undefined {
  const value = findAttribute(message, ATTRIBUTE.UNKNOWN_ATTRIBUTES);
  if (value === undefined || value.length % 2 !== 0) return undefined;
  return Array.from({ length: value.length / 2 }, (_, i) => uint16(value, 2 * i));
}

export function unknownAttributesAttribute(types: readonly number[]): StunAttribute {
  return { type: ATTRIBUTE.UNKNOWN_ATTRIBUTES, value: Uint8Array.from(types.flatMap((t) => [t >> 8, t & 0xff])) };
}

/** SOFTWARE (section 14.14), shortened and freed of control characters. */
export function readSoftware(message: StunMessage): string | undefined {
  const value = findAttribute(message, ATTRIBUTE.SOFTWARE);
  return value && readText(value);
}

export function softwareAttribute(software: string): StunAttribute {
  return { type: ATTRIBUTE.SOFTWARE, value: new TextEncoder().encode(software) };
}

/** CHANGE-REQUEST (RFC 5780 section 7.2). */
export function readChangeRequest(message: StunMessage): ChangeRequest | undefined {
  const value = findAttribute(message, ATTRIBUTE.CHANGE_REQUEST);
  if (value?.length !== 4) return undefined;
  const flags = uint16(value, 2);
  return { changeIp: (flags & CHANGE_IP) !== 0, changePort: (flags & CHANGE_PORT) !== 0 };
}

export function changeRequestAttribute({ changeIp, changePort }: ChangeRequest): StunAttribute {
  const flags = (changeIp ? CHANGE_IP : 0) | (changePort ? CHANGE_PORT : 0);
  return { type: ATTRIBUTE.CHANGE_REQUEST, value: Uint8Array.of(0, 0, 0, flags) };
}

/** Types of the comprehension-required range (section 14: below 0x8000) that are not in `known`. */
export function unknownRequired(message: StunMessage, known: ReadonlySet<number>): readonly number[] {
  return [...new Set(message.attributes.map((a) => a.type))].filter((type) => type < 0x8000 && !known.has(type));
}

function uint16(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint16(at);
}

/** Text of a stranger, fit for a log line. */
function readText(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes).replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ');
  return [...text].slice(0, REASON_CHARACTERS).join('').trim();
}
