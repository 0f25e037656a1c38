/** The keys of a pair: all that two hosts derive from their shared secret besides the sealing of records (HKDF, RFC 5869). */
import { createHmac } from 'node:crypto';
import { type PublicKey, publicKeyBytes, type SecretKey } from '../api/index.js';
import { sharedSecret } from './shared-secret.js';

const KEY_BYTES = 32;
const HASH_BYTES = 32;
const SEED_BYTES = 4;

/** Bytes that must reach no log and no file; tests compare them with golden vectors. */
export interface CheckKeys {
  /** 32 bytes: which peer asks, unreadable for others. */
  readonly tagKey: Uint8Array;
  /** 32 bytes: MESSAGE-INTEGRITY-SHA256. */
  readonly macKey: Uint8Array;
}

/** Everything derived for a pair; prints as [secret], like the keys that it comes from. */
export class PairKeys {
  readonly #shared: () => Uint8Array;
  #prk: Uint8Array | undefined;
  #searchSeed: number | undefined;
  readonly #own: PublicKey;
  readonly #peer: PublicKey;
  /** The base64 text of our key comes first by code unit: this side nominates a path. */
  readonly smaller: boolean;

  /** `shared` gives sharedSecret(own, peer); it is called when the first key is needed. */
  constructor(shared: () => Uint8Array, own: PublicKey, peer: PublicKey) {
    this.#shared = shared;
    this.#own = own;
    this.#peer = peer;
    this.smaller = own < peer;
  }

  /** Where the pair's slots begin on the wall clock: u32. */
  get searchSeed(): number {
    if (this.#searchSeed === undefined) {
      const [first, second] = this.smaller ? [this.#own, this.#peer] : [this.#peer, this.#own];
      const seed = this.#derive('stunmesh search 1', first, second, SEED_BYTES);
      this.#searchSeed = new DataView(seed.buffer, seed.byteOffset).getUint32(0);
    }
    return this.#searchSeed;
  }

  /** Of the checks that we send and whose answers the peer signs with receive(). */
  send(): CheckKeys {
    return this.#checkKeys(this.#own, this.#peer);
  }

  /** Of the checks that the peer sends. */
  receive(): CheckKeys {
    return this.#checkKeys(this.#peer, this.#own);
  }

  /** 32 bytes for the mark in the nonce of the records that `writer` writes. */
  readerMark(writer: 'own' | 'peer'): Uint8Array {
    const [from, to] = writer === 'own' ? [this.#own, this.#peer] : [this.#peer, this.#own];
    return this.#derive('stunmesh reader 1', from, to, KEY_BYTES);
  }

  /** 32 bytes for a store that hides its slots, by the module's name (the instance's may differ between two hosts). */
  storeSecret(module: string, writer: 'own' | 'peer'): Uint8Array {
    const [from, to] = writer === 'own' ? [this.#own, this.#peer] : [this.#peer, this.#own];
    return this.#derive(`stunmesh store 1\0${module}`, from, to, KEY_BYTES);
  }

  #checkKeys(from: PublicKey, to: PublicKey): CheckKeys {
    const bytes = this.#derive('stunmesh check 1', from, to, 2 * KEY_BYTES);
    return { tagKey: bytes.subarray(0, KEY_BYTES), macKey: bytes.subarray(KEY_BYTES) };
  }

  #derive(label: string, first: PublicKey, second: PublicKey, length: number): Uint8Array {
    this.#prk ??= hmac(utf8('stunmesh pair 1'), this.#shared());
    return expand(
      this.#prk,
      Buffer.concat([utf8(`${label}\0`), publicKeyBytes(first), publicKeyBytes(second)]),
      length,
    );
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}

/** Errors: ERR_KEY_WEAK. */
export function createPairKeys(secret: SecretKey, own: PublicKey, peer: PublicKey): PairKeys {
  const shared = sharedSecret(secret, peer);
  return new PairKeys(() => shared, own, peer);
}

/** RFC 5869 section 2.3, with SHA-256. */
export function expand(prk: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  let last: Uint8Array = new Uint8Array();
  for (let n = 1; blocks.length * HASH_BYTES < length; n += 1) {
    last = hmac(prk, Buffer.concat([last, info, Uint8Array.of(n)]));
    blocks.push(last);
  }
  return Uint8Array.from(Buffer.concat(blocks).subarray(0, length));
}

function hmac(key: Uint8Array, data: Uint8Array): Uint8Array {
  return createHmac('sha256', key).update(data).digest();
}

function utf8(text: string): Uint8Array {
  return Buffer.from(text, 'utf8');
}
