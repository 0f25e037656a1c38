/** WireGuard keys: public ones are text, secret ones never print. */
import { StunmeshError } from './errors.js';

/** A Curve25519 public key: 44 characters of canonical standard base64, 32 bytes. */
export type PublicKey = string & { readonly __publicKey: true };

/** Canonical base64 of 32 bytes ends in one of 16 letters and one '='. */
const KEY_PATTERN = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;

/** The key, if `text` is canonical base64 of 32 bytes; undefined otherwise. */
export function parsePublicKey(text: string): PublicKey | undefined {
  return KEY_PATTERN.test(text) ? (text as PublicKey) : undefined;
}

/** 32 bytes of a public key. */
export function publicKeyBytes(key: PublicKey): Uint8Array {
  return Uint8Array.from(Buffer.from(key, 'base64'));
}

/** A Curve25519 secret key that shows itself as [secret] wherever it is printed, logged or serialised (F34). */
export class SecretKey {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    if (bytes.length !== 32) throw new StunmeshError('ERR_KEY_INVALID', 'a WireGuard secret key has 32 bytes');
    this.#bytes = Uint8Array.from(bytes);
  }

  /** From 44 characters of base64 or 64 of hex (the UAPI's form). Errors: ERR_KEY_INVALID, which never quotes the text. */
  static parse(text: string): SecretKey {
    if (/^[0-9a-fA-F]{64}$/.test(text)) return new SecretKey(Uint8Array.from(Buffer.from(text, 'hex')));
    if (KEY_PATTERN.test(text)) return new SecretKey(Uint8Array.from(Buffer.from(text, 'base64')));
    throw new StunmeshError(
      'ERR_KEY_INVALID',
      'not a WireGuard secret key: 32 bytes in base64 (44 characters) are needed',
    );
  }

  /** A copy of the 32 bytes, for the cryptography alone. */
  expose(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  equals(other: SecretKey): boolean {
    return Buffer.from(this.#bytes).equals(Buffer.from(other.#bytes));
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
