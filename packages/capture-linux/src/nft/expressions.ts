/** Expressions of nf_tables (linux/netfilter/nf_tables.h) as netlink attributes; pure. */
import { encodeAttributes, type NetlinkAttribute } from '@stunmesh/core/capture-kit';

const NESTED = 0x8000;
const LIST_ELEMENT = 1;
const EXPRESSION = { name: 1, data: 2 } as const;
const DATA = { value: 1, verdict: 2 } as const;
const VERDICT_CODE = 1;
const META = { register: 1, key: 2 } as const;
const COMPARE = { register: 1, operator: 2, data: 3 } as const;
const PAYLOAD = { into: 1, base: 2, offset: 3, length: 4, from: 5, checksum: 6, checksumOffset: 7 } as const;
const IMMEDIATE = { register: 1, data: 2 } as const;
const LOOKUP = { set: 1, register: 2 } as const;
const EQUAL = 0;
const DROP = 0;
const CHECKSUM_INET = 1;
const UDP_CHECKSUM_OFFSET = 6;
const VERDICT_REGISTER = 0;
/** Sixteen bytes; the next ones of four begin behind it, for keys of several fields. */
export const REGISTER = 1;
const FIRST_WORD = 8;

/** Which header a payload's offset counts from. */
export const BASE = { network: 1, transport: 2 } as const;
/** What meta loads. */
export const META_KEY = { family: 15, protocol: 16 } as const;

export const nested = (type: number, list: readonly NetlinkAttribute[]): NetlinkAttribute => [
  type | NESTED,
  encodeAttributes(list),
];
/** nf_tables counts in network byte order. */
export function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value >>> 0);
  return bytes;
}
export function half(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}
/** A name, with the zero at its end. */
export const name = (text: string): Uint8Array => Buffer.from(`${text}\0`);

const expression = (kind: string, list: readonly NetlinkAttribute[]): NetlinkAttribute =>
  nested(LIST_ELEMENT, [[EXPRESSION.name, name(kind)], nested(EXPRESSION.data, list)]);
/** The register whose first byte is this many words behind REGISTER's. */
const wordRegister = (words: number): number => (words === 0 ? REGISTER : FIRST_WORD + words);

const compare = (bytes: Uint8Array): NetlinkAttribute =>
  expression('cmp', [
    [COMPARE.register, word(REGISTER)],
    [COMPARE.operator, word(EQUAL)],
    nested(COMPARE.data, [[DATA.value, bytes]]),
  ]);

/** Goes on where family or protocol has this number. */
export function ifMeta(key: number, value: number): readonly NetlinkAttribute[] {
  const load = expression('meta', [
    [META.register, word(REGISTER)],
    [META.key, word(key)],
  ]);
  return [load, compare(Uint8Array.of(value))];
}

/** A field of the packet into a register, `words` words behind the first. */
export function load(base: number, offset: number, length: number, words = 0): NetlinkAttribute {
  return expression('payload', [
    [PAYLOAD.into, word(wordRegister(words))],
    [PAYLOAD.base, word(base)],
    [PAYLOAD.offset, word(offset)],
    [PAYLOAD.length, word(length)],
  ]);
}

/** Goes on where a field of the packet has these bytes. */
export function ifField(base: number, offset: number, bytes: Uint8Array): readonly NetlinkAttribute[] {
  return [load(base, offset, bytes.length), compare(bytes)];
}

/** Goes on where what the registers hold is in the set. */
export function ifInSet(set: string): NetlinkAttribute {
  return expression('lookup', [
    [LOOKUP.set, name(set)],
    [LOOKUP.register, word(REGISTER)],
  ]);
}

/** Writes two bytes of UDP's header, and makes its checksum right. */
export function writeUdp(offset: number, bytes: Uint8Array): readonly NetlinkAttribute[] {
  return [
    expression('immediate', [[IMMEDIATE.register, word(REGISTER)], nested(IMMEDIATE.data, [[DATA.value, bytes]])]),
    expression('payload', [
      [PAYLOAD.from, word(REGISTER)],
      [PAYLOAD.base, word(BASE.transport)],
      [PAYLOAD.offset, word(offset)],
      [PAYLOAD.length, word(bytes.length)],
      [PAYLOAD.checksum, word(CHECKSUM_INET)],
      [PAYLOAD.checksumOffset, word(UDP_CHECKSUM_OFFSET)],
    ]),
  ];
}

export function drop(): NetlinkAttribute {
  return expression('immediate', [
    [IMMEDIATE.register, word(VERDICT_REGISTER)],
    nested(IMMEDIATE.data, [nested(DATA.verdict, [[VERDICT_CODE, word(DROP)]])]),
  ]);
}
