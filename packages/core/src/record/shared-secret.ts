/** What two WireGuard keys share: X25519 by node:crypto (RFC 7748), which needs a fortieth of the time that tweetnacl needs. */
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';
import nacl from 'tweetnacl';
import { type PublicKey, publicKeyBytes, type SecretKey, StunmeshError } from '../api/index.js';

/** RFC 8410: what stands before the 32 bytes of an X25519 key in DER. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');
const SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex');
/** NaCl, crypto_box_beforenm: HSalsa20 of the shared secret with these 16 zero bytes. */
const NO_INPUT = new Uint8Array(16);
const SIGMA = new TextEncoder().encode('expand 32-byte k');

/** tweetnacl publishes its primitives without declaring their types. */
interface LowLevel {
  readonly lowlevel: {
    crypto_core_hsalsa20(out: Uint8Array, input: Uint8Array, key: Uint8Array, constant: Uint8Array): void;
  };
}
const { crypto_core_hsalsa20: hsalsa20 } = (nacl as unknown as LowLevel).lowlevel;

/** To make a key object takes longer than to use it, and one secret key serves all peers of a device. */
const ownKeys = new WeakMap<SecretKey, KeyObject>();

const PRIME = 2n ** 255n - 19n;
const littleEndian = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
const keyOf = (value: bigint): string =>
  Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse().toString('base64');
/** The u-coordinates of Curve25519's points of order 1, 2, 4 and 8, on the curve and on its twist. */
const LOW_ORDER: readonly bigint[] = [
  0n,
  1n,
  PRIME - 1n,
  littleEndian(Buffer.from('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800', 'hex')),
  littleEndian(Buffer.from('5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157', 'hex')),
];
/** All keys that are one of them: what is above the prime is reduced, and the topmost bit does not count. */
const WEAK_KEYS: ReadonlySet<string> = new Set(
  LOW_ORDER.flatMap((point) => [point, point + PRIME])
    .filter((value) => value < 2n ** 255n)
    .flatMap((value) => [keyOf(value), keyOf(value + 2n ** 255n)]),
);

/** True for the keys of low order, with which every shared secret is zero and so known to all (F22; RFC 7748 sections 5 and 6.1). */
export function isWeakKey(key: PublicKey): boolean {
  return WEAK_KEYS.has(key);
}

/** Errors: ERR_KEY_WEAK. */
export function refuseWeakKey(peer: PublicKey): void {
  if (!isWeakKey(peer)) return;
  throw new StunmeshError(
    'ERR_KEY_WEAK',
    `the public key ${peer} is of low order: anybody could read what is sealed to it; check the peer's public_key`,
  );
}

/** X25519(own secret, peer public), 32 bytes, which must reach no log and no file. Errors: ERR_KEY_WEAK. */
export function sharedSecret(own: SecretKey, peer: PublicKey): Uint8Array {
  refuseWeakKey(peer);
  let privateKey = ownKeys.get(own);
  if (privateKey === undefined) {
    privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, own.expose()]), format: 'der', type: 'pkcs8' });
    ownKeys.set(own, privateKey);
  }
  const publicKey = createPublicKey({
    key: Buffer.concat([SPKI_PREFIX, publicKeyBytes(peer)]),
    format: 'der',
    type: 'spki',
  });
  return Uint8Array.from(diffieHellman({ privateKey, publicKey }));
}

/** The key that nacl.box.before computes, from what sharedSecret() gives. */
export function boxKey(shared: Uint8Array): Uint8Array {
  const key = new Uint8Array(nacl.box.sharedKeyLength);
  hsalsa20(key, NO_INPUT, shared, SIGMA);
  return key;
}

/** Both at once. Errors: ERR_KEY_WEAK. */
export function sharedBoxKey(own: SecretKey, peer: PublicKey): Uint8Array {
  return boxKey(sharedSecret(own, peer));
}
