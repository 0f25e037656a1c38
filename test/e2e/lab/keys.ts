/** WireGuard key pairs from node's own cryptography. */
import { generateKeyPairSync } from 'node:crypto';

export interface KeyPair {
  /** 44 characters of base64. */
  readonly publicKey: string;
  /** 32 bytes. */
  readonly secret: Buffer;
}

export function createKeyPair(): KeyPair {
  const { privateKey } = generateKeyPairSync('x25519');
  const jwk = privateKey.export({ format: 'jwk' });
  return {
    publicKey: Buffer.from(String(jwk.x), 'base64url').toString('base64'),
    secret: Buffer.from(String(jwk.d), 'base64url'),
  };
}

/** Base64 to the hex of the userspace socket. */
export function hexKey(base64: string): string {
  return Buffer.from(base64, 'base64').toString('hex');
}
