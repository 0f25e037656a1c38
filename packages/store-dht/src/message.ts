/** Messages of the DHT protocol (BEP 5, BEP 43, BEP 44): queries that we send, answers that we read. Pure. */
import type { Family } from '@stunmesh/core/api';
import { type Bencoded, decode, dictionary, encode, latin1 } from './bencode.js';
import { type NodeInfo, parseNodes } from './node-info.js';

export interface Item {
  /** 32 bytes of Ed25519, and the signature's 64. */
  readonly publicKey: Uint8Array;
  readonly signature: Uint8Array;
  readonly seq: number;
  readonly value: Uint8Array;
}

export interface Answer {
  readonly kind: 'answer';
  readonly transaction: string;
  readonly id: string;
  readonly nodes: readonly NodeInfo[];
  readonly token?: Uint8Array;
  /** A mutable item, unchecked. */
  readonly item?: Item;
}

export interface Refusal {
  readonly kind: 'refusal';
  readonly transaction: string;
  /** BEP 44: 205 too big, 206 bad signature, 207 salt too big, 301 other value, 302 older than what is stored. */
  readonly code: number;
}

export type Query =
  | { readonly name: 'find_node'; readonly target: string }
  | { readonly name: 'get'; readonly target: string }
  | { readonly name: 'put'; readonly item: Item; readonly salt: Uint8Array; readonly token: Uint8Array };

const MOST_MESSAGE_BYTES = 4_096;
const MOST_TOKEN_BYTES = 64;

/** `ro` is 1: we answer nothing and are to stand in nobody's table (F66, BEP 43). */
export function encodeQuery(
  query: Query,
  options: { readonly transaction: Uint8Array; readonly id: Uint8Array },
): Uint8Array {
  return encode(
    dictionary({
      t: options.transaction,
      y: 'q',
      q: query.name,
      ro: 1,
      a: dictionary({ id: options.id, ...argumentsOf(query) }),
    }),
  );
}

/** Undefined when it is no answer of the DHT at all. Never throws (F66). */
export function parseMessage(bytes: Uint8Array, family: Family): Answer | Refusal | undefined {
  const message = bytes.length <= MOST_MESSAGE_BYTES ? decode(bytes) : undefined;
  if (!isDictionary(message)) return undefined;
  const transaction = text(message.get('t'));
  const kind = text(message.get('y'));
  if (transaction === undefined) return undefined;
  if (kind === 'e') {
    const error = message.get('e');
    const code = Array.isArray(error) ? (error as readonly Bencoded[])[0] : undefined;
    return typeof code === 'number' ? { kind: 'refusal', transaction, code } : undefined;
  }
  const body = message.get('r');
  if (kind !== 'r' || !isDictionary(body)) return undefined;
  const id = sized(body.get('id'), 20);
  if (!id) return undefined;
  const nodes = body.get(family === 4 ? 'nodes' : 'nodes6');
  const token = body.get('token');
  const item = itemOf(body);
  return {
    kind: 'answer',
    transaction,
    id: Buffer.from(id).toString('hex'),
    nodes: nodes instanceof Uint8Array ? parseNodes(nodes, family) : [],
    ...(token instanceof Uint8Array && token.length <= MOST_TOKEN_BYTES ? { token } : {}),
    ...(item ? { item } : {}),
  };
}

/** What a signature of BEP 44 covers. */
export function signedBytes(salt: Uint8Array, seq: number, value: Uint8Array): Uint8Array {
  const pieces = [latin1(`4:salt${salt.length}:`), salt, latin1(`3:seqi${seq}e1:v`), encode(value)];
  return Uint8Array.from(Buffer.concat(pieces));
}

function argumentsOf(query: Query): Record<string, Bencoded> {
  if (query.name !== 'put') return { target: Uint8Array.from(Buffer.from(query.target, 'hex')) };
  const { item, salt, token } = query;
  return { k: item.publicKey, salt, seq: item.seq, sig: item.signature, token, v: item.value };
}

function itemOf(body: ReadonlyMap<string, Bencoded>): Item | undefined {
  const publicKey = sized(body.get('k'), 32);
  const signature = sized(body.get('sig'), 64);
  const seq = body.get('seq');
  const value = body.get('v');
  if (!publicKey || !signature || typeof seq !== 'number' || seq < 0 || !(value instanceof Uint8Array))
    return undefined;
  return { publicKey, signature, seq, value };
}

function isDictionary(value: Bencoded | undefined): value is ReadonlyMap<string, Bencoded> {
  return value instanceof Map;
}

function text(value: Bencoded | undefined): string | undefined {
  return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : undefined;
}

function sized(value: Bencoded | undefined, length: number): Uint8Array | undefined {
  return value instanceof Uint8Array && value.length === length ? value : undefined;
}
