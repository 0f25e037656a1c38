/** Seals and opens records with NaCl box (X25519, XSalsa20-Poly1305) under the two WireGuard keys. */
import nacl from 'tweetnacl';
import { type PublicKey, type SecretKey, StunmeshError } from '../api/index.js';
import { markedNonce } from './reader-mark.js';
import { sharedBoxKey } from './shared-secret.js';

/** What two WireGuard keys share; sealing is symmetric, so either side opens what either side sealed (F20). */
export interface Channel {
  /** Lower-case hex of nonce (24 bytes) and box (16 + length): 2 × (40 + length) characters; a fresh nonce each time (F11). */
  seal(plain: string): string;
  /** The plain text. Errors: ERR_RECORD_MALFORMED (not hex, too short), ERR_RECORD_UNOPENED (other keys, or damaged). */
  open(sealed: string): string;
}

const HEX = /^(?:[0-9a-fA-F]{2})+$/;

/** Computes the shared key once; with `ownMark`, readerMark('own'), every nonce bears the mark. Errors: ERR_KEY_WEAK. */
export function createChannel(own: SecretKey, peer: PublicKey, ownMark?: Uint8Array): Channel {
  return createSharedChannel(sharedBoxKey(own, peer), ownMark);
}

/** The same from what sharedBoxKey() gives. */
export function createSharedChannel(shared: Uint8Array, ownMark?: Uint8Array): Channel {
  return {
    seal(plain) {
      const random = nacl.randomBytes(nacl.box.nonceLength);
      const nonce = ownMark ? markedNonce(ownMark, random) : random;
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
