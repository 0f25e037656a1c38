/**
 * Where in the DHT a record lies: a slot that is computed from a secret which the two peers alone share, another one each day, so
 * that nobody else can find it, overwrite it, or follow a pair from day to day.
 */
import { createHash, createHmac, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { type Item, signedBytes } from './message.js';

export interface Slot {
  /** SHA-1 of public key and salt, 40 hex digits (BEP 44). */
  readonly target: string;
  readonly publicKey: Uint8Array;
  readonly salt: Uint8Array;
  /** The item that carries `value` under this number. */
  seal(value: Uint8Array, seq: number): Item;
  /** True when the item is this slot's and its signature holds. */
  accepts(item: Item): boolean;
}

const INFO = 'stunmesh mainline slot 1\0';
const DAY_MS = 86_400_000;
const NEAR_MIDNIGHT_MS = 3_600_000;
/** BEP 44: nodes drop an item after two hours. */
export const LIFETIME_MS = 7_200_000;
/** RFC 8410: the DER of an Ed25519 private key up to its 32 bytes, and of a public one. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** The day number of a wall clock, in UTC. */
export function dayOf(wallMs: number): number {
  return Math.floor(wallMs / DAY_MS);
}

/**
 * Days whose slots may hold the newest record: `now` at once, `later` one after the other where nothing was found. Records are
 * written again every 40 minutes and live two hours, so yesterday's slot matters in the first hours of a day alone, and tomorrow's,
 * where the writer's clock is ahead, in the last one.
 */
export function daysToRead(wallMs: number): { readonly now: readonly number[]; readonly later: readonly number[] } {
  const today = dayOf(wallMs);
  const sinceMidnight = wallMs - today * DAY_MS;
  return {
    now: DAY_MS - sinceMidnight <= NEAR_MIDNIGHT_MS ? [today, today + 1] : [today],
    later: sinceMidnight < LIFETIME_MS + NEAR_MIDNIGHT_MS ? [today - 1] : [],
  };
}

/** The slot of a secret (32 bytes) on a day. */
export function deriveSlot(secret: Uint8Array, day: number): Slot {
  const okm = expand(secret, Buffer.concat([Buffer.from(INFO, 'latin1'), bigEndian(day)]), 48);
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8, okm.subarray(0, 32)]),
    format: 'der',
    type: 'pkcs8',
  });
  const publicKeyObject = createPublicKey(privateKey);
  const publicKey = Uint8Array.from(publicKeyObject.export({ format: 'der', type: 'spki' }).subarray(SPKI.length));
  const salt = Uint8Array.from(okm.subarray(32));
  return {
    target: createHash('sha1').update(publicKey).update(salt).digest('hex'),
    publicKey,
    salt,
    seal: (value, seq) => ({ publicKey, seq, value, signature: signature(privateKey, salt, seq, value) }),
    accepts: (item) =>
      Buffer.from(item.publicKey).equals(publicKey) &&
      verify(null, signedBytes(salt, item.seq, item.value), publicKeyObject, item.signature),
  };
}

/** For keys without a secret (trying a store out): a slot that anybody who knows the key can find. */
export function secretOfKey(key: string): Uint8Array {
  return Uint8Array.from(createHash('sha256').update('stunmesh open slot 1\0').update(key).digest());
}

function signature(key: KeyObject, salt: Uint8Array, seq: number, value: Uint8Array): Uint8Array {
  return Uint8Array.from(sign(null, signedBytes(salt, seq, value), key));
}

/** HKDF-Expand with SHA-256 (RFC 5869 2.3). */
function expand(key: Uint8Array, info: Uint8Array, length: number): Buffer {
  let block = Buffer.alloc(0);
  let output = Buffer.alloc(0);
  for (let count = 1; output.length < length; count += 1) {
    block = createHmac('sha256', key).update(block).update(info).update(Uint8Array.of(count)).digest();
    output = Buffer.concat([output, block]);
  }
  return output.subarray(0, length);
}

function bigEndian(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}
