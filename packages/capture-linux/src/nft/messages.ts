/** Messages of nf_tables over netlink: tables, chains, sets, elements, rules, and the batch that they stand in; pure. */
import { encodeAttributes, encodeNetlink, type NetlinkAttribute, parseAttributes } from '@stunmesh/core/capture-kit';
import { name, nested, word } from './expressions.js';

const NFPROTO_INET = 1;
const SUBSYSTEM = 10;
const BATCH = { begin: 0x10, end: 0x11 } as const;
const FLAG = { request: 0x1, ack: 0x4, create: 0x400, exclusive: 0x200, append: 0x800, dump: 0x300 } as const;
export const NFT = {
  newTable: 0,
  getTable: 1,
  deleteTable: 2,
  newChain: 3,
  newRule: 6,
  getRule: 7,
  deleteRule: 8,
  newSet: 9,
  newElement: 12,
} as const;
const TABLE_NAME = 1;
const CHAIN = { table: 1, name: 3, hook: 4, policy: 5, type: 7 } as const;
const HOOK = { number: 1, priority: 2 } as const;
const ACCEPT = 1;
const RULE = { table: 1, chain: 2, handle: 3, expressions: 4, userdata: 7 } as const;
const SET = { table: 1, name: 2, flags: 3, keyType: 4, keyLength: 5, id: 10 } as const;
const SET_HAS_TIMEOUTS = 0x10;
const ELEMENTS = { table: 1, set: 2, list: 3 } as const;
const LIST_ELEMENT = 1;
const ELEMENT = { key: 1, timeout: 4 } as const;
const DATA_VALUE = 1;
/** libnftnl's number for a comment in a rule's userdata: type, length, text with its zero. */
const COMMENT = 0;
const HEADER_BYTES = 4;

export const HOOKS = { prerouting: 0, output: 3 } as const;

export interface NftMessage {
  readonly type: number;
  readonly flags: number;
  readonly attributes: readonly NetlinkAttribute[];
}

export const newTable = (table: string): NftMessage => ({
  type: NFT.newTable,
  flags: FLAG.create | FLAG.exclusive,
  attributes: [[TABLE_NAME, name(table)]],
});

export const deleteTable = (table: string): NftMessage => ({
  type: NFT.deleteTable,
  flags: 0,
  attributes: [[TABLE_NAME, name(table)]],
});

/** A base chain of type filter, which lets through what no rule drops. */
export const newChain = (table: string, chain: string, hook: number, priority: number): NftMessage => ({
  type: NFT.newChain,
  flags: FLAG.create,
  attributes: [
    [CHAIN.table, name(table)],
    [CHAIN.name, name(chain)],
    nested(CHAIN.hook, [
      [HOOK.number, word(hook)],
      [HOOK.priority, word(priority)],
    ]),
    [CHAIN.policy, word(ACCEPT)],
    [CHAIN.type, name('filter')],
  ],
});

/** A set whose elements have timeouts of their own; `keyType` is nft(8)'s number of the type, by which it prints them. */
export const newSet = (table: string, set: string, id: number, keyType: number, keyLength: number): NftMessage => ({
  type: NFT.newSet,
  flags: FLAG.create,
  attributes: [
    [SET.table, name(table)],
    [SET.name, name(set)],
    [SET.flags, word(SET_HAS_TIMEOUTS)],
    [SET.keyType, word(keyType)],
    [SET.keyLength, word(keyLength)],
    [SET.id, word(id)],
  ],
});

export const newElements = (table: string, set: string, keys: readonly Uint8Array[], ms: number): NftMessage => {
  const timeout = new Uint8Array(8);
  new DataView(timeout.buffer).setBigUint64(0, BigInt(ms));
  return {
    type: NFT.newElement,
    flags: FLAG.create,
    attributes: [
      [ELEMENTS.table, name(table)],
      [ELEMENTS.set, name(set)],
      nested(
        ELEMENTS.list,
        keys.map((key) => nested(LIST_ELEMENT, [nested(ELEMENT.key, [[DATA_VALUE, key]]), [ELEMENT.timeout, timeout]])),
      ),
    ],
  };
};

export const newRule = (
  table: string,
  chain: string,
  expressions: readonly NetlinkAttribute[],
  comment: string,
): NftMessage => ({
  type: NFT.newRule,
  flags: FLAG.create | FLAG.append,
  attributes: [
    [RULE.table, name(table)],
    [RULE.chain, name(chain)],
    nested(RULE.expressions, expressions),
    [RULE.userdata, Uint8Array.of(COMMENT, comment.length + 1, ...name(comment))],
  ],
});

export const deleteRule = (table: string, chain: string, handle: Uint8Array): NftMessage => ({
  type: NFT.deleteRule,
  flags: 0,
  attributes: [
    [RULE.table, name(table)],
    [RULE.chain, name(chain)],
    [RULE.handle, handle],
  ],
});

/** The rules of a table. */
export const dumpRules = (table: string): Uint8Array =>
  encode({ type: NFT.getRule, flags: FLAG.dump, attributes: [[RULE.table, name(table)]] }, FLAG.request, 0);

export const dumpTables = (): Uint8Array =>
  encode({ type: NFT.getTable, flags: FLAG.dump, attributes: [] }, FLAG.request, 0);

/** All of it or nothing: the kernel carries a batch out as one step. Every message is acknowledged. */
export function encodeBatch(messages: readonly NftMessage[]): Uint8Array {
  const edge = (type: number, sequence: number) =>
    encodeNetlink({ type, flags: FLAG.request, sequence, body: Uint8Array.of(0, 0, 0, SUBSYSTEM) });
  return Buffer.concat([
    edge(BATCH.begin, 0),
    ...messages.map((message, i) => encode(message, FLAG.request | FLAG.ack, i + 1)),
    edge(BATCH.end, messages.length + 1),
  ]);
}

function encode({ type, flags, attributes }: NftMessage, more: number, sequence: number): Uint8Array {
  return encodeNetlink({
    type: (SUBSYSTEM << 8) | type,
    flags: flags | more,
    sequence,
    body: Buffer.concat([Uint8Array.of(NFPROTO_INET, 0, 0, 0), encodeAttributes(attributes)]),
  });
}

/** Whether a message of a dump is of this kind. */
export const isNft = (type: number, kind: number): boolean => type === ((SUBSYSTEM << 8) | kind);

export interface FoundRule {
  readonly table: string;
  readonly chain: string;
  readonly handle: Uint8Array;
  /** '': none. */
  readonly comment: string;
}

/** A rule in an answer; undefined: it is cut off. */
export function parseRule(body: Uint8Array): FoundRule | undefined {
  const found = parseAttributes(body, HEADER_BYTES);
  const handle = found.get(RULE.handle);
  if (handle?.length !== 8) return undefined;
  return {
    table: text(found.get(RULE.table)),
    chain: text(found.get(RULE.chain)),
    handle: Uint8Array.from(handle),
    comment: readComment(found.get(RULE.userdata)),
  };
}

/** A table's name in an answer. */
export const parseTable = (body: Uint8Array): string => text(parseAttributes(body, HEADER_BYTES).get(TABLE_NAME));

function readComment(userdata: Uint8Array = new Uint8Array()): string {
  for (let at = 0; at + 2 <= userdata.length; at += 2 + (userdata[at + 1] ?? 0))
    if (userdata[at] === COMMENT) return text(userdata.subarray(at + 2, at + 2 + (userdata[at + 1] ?? 0)));
  return '';
}

function text(bytes: Uint8Array = new Uint8Array()): string {
  return Buffer.from(bytes).toString('utf8').replace(/\0.*$/s, '');
}
