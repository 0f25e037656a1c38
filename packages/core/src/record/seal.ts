/** Seals and opens records with NaCl box (X25519, XSalsa20-Poly1305) under the two WireGuard keys. */
import nacl from 'tweetnacl';
import { type PublicKey, publicKeyBytes, type SecretKey, StunmeshError } from '../api/index.js';

/** What two WireGuard keys share; sealing is symmetric, so either side opens what either side sealed (F20). */
export interface Channel {
  /** Lower-case hex of nonce (24 bytes) and box (16 + length): 2 × (40 + length) characters; a fresh nonce each time (F11). */
  seal(plain: string): string;
  /** The plain text. Errors: ERR_RECORD_MALFORMED (not hex, too short), ERR_RECORD_UNOPENED (other keys, or damaged). */
  open(sealed: string): string;
}

const HEX = /^(?:[0-9a-fA-F]{2})+$/;

const littleEndian = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
const PRIME = 2n ** 255n - 19n;
/** The u-coordinates of Curve25519's points of order 1, 2, 4 and 8, on the curve and on its twist. */
const LOW_ORDER: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  PRIME - 1n,
  littleEndian(Buffer.from('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800', 'hex')),
  littleEndian(Buffer.from('5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157', 'hex')),
]);

/** True for the keys of low order, with which every shared secret is zero and so known to all (F22; RFC 7748 sections 5 and 6.1). */
export function isWeakKey(key: PublicKey): boolean {
  // The topmost bit does not count, and what is above the prime is reduced.
  return LOW_ORDER.has((littleEndian(publicKeyBytes(key)) % 2n ** 255n) % PRIME);
}

/** Computes the shared key once. Errors: ERR_KEY_WEAK. */
export function createChannel(own: SecretKey, peer: PublicKey): Channel {
  if (isWeakKey(peer)) {
    throw new StunmeshError(
      'ERR_KEY_WEAK',
      `the public key ${peer} is of low order: anybody could read what is sealed to it; check the peer's public_key`,
    );
  }
  const shared = nacl.box.before(publicKeyBytes(peer), own.expose());
  return {
    seal(plain) {
      const nonce = nacl.randomBytes(nacl.box.nonceLength);
      const box = nacl.box.after(Buffer.from(plain, 'utf8'), nonce, shared);
      return Buffer.concat([nonce, box]).toString('hex');
    },
    open(sealed) {
      const shortest = 2 * (nacl.box.nonceLength + nacl.box.overheadLength);
      if (!HEX.test(sealed) || sealed.length < shortest) {
        throw new StunmeshError(
          'ERR_RECORD_MALFORMED',
          `the stored value is not a sealed record: at least ${shortest} hex digits were expected, ${sealed.length} characters found`,
        );
      }
      const bytes = Uint8Array.from(Buffer.from(sealed, 'hex'));
      const plain = nacl.box.open.after(
        bytes.subarray(nacl.box.nonceLength),
        bytes.subarray(0, nacl.box.nonceLength),
        shared,
      );
      if (!plain) {
        throw new StunmeshError(
          'ERR_RECORD_UNOPENED',
          'the stored record does not open with our secret key and this public key: it was sealed by or for somebody else, or it is damaged',
        );
      }
      return Buffer.from(plain).toString('utf8');
    },
  };
}
