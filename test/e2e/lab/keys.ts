/** WireGuard key pairs from node's own cryptography. */
import { createHmac, createPrivateKey, createPublicKey, diffieHellman, randomBytes } from 'node:crypto';

export interface KeyPair {
  /** 44 characters of base64. */
  readonly publicKey: string;
  /** 32 bytes. */
  readonly secret: Buffer;
}

/** RFC 8410: what stands before the 32 bytes of an X25519 key in DER. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** Not by generateKeyPairSync: Node 20 locks up in one of some hundred thousand pairs that are generated and exported. */
export function createKeyPair(): KeyPair {
  const secret = randomBytes(32);
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, secret]), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return { publicKey: spki.subarray(-32).toString('base64'), secret };
}

/** Two keys of which `is` says that the seed of their slots is the right one; half a millisecond a try. */
export function createPair(is: (seed: number) => boolean): readonly [KeyPair, KeyPair] {
  for (;;) {
    const pair = [createKeyPair(), createKeyPair()] as const;
    if (is(searchSeed(...pair))) return pair;
  }
}

/** When the next slot of a pair begins, milliseconds since 1970: multiples of the period minus the seed. */
export function nextSlot(a: KeyPair, b: KeyPair, periodSeconds: number, from = Date.now()): number {
  const period = periodSeconds * 1_000;
  const offset = (searchSeed(a, b) % periodSeconds) * 1_000;
  return Math.ceil((from + offset) / period) * period - offset;
}

/** The seed that the two hosts of a pair derive from their keys, by node's cryptography alone. */
function searchSeed(a: KeyPair, b: KeyPair): number {
  const jwk = { kty: 'OKP', crv: 'X25519' };
  const x = diffieHellman({
    privateKey: createPrivateKey({
      key: { ...jwk, d: a.secret.toString('base64url'), x: Buffer.from(a.publicKey, 'base64').toString('base64url') },
      format: 'jwk',
    }),
    publicKey: createPublicKey({
      key: { ...jwk, x: Buffer.from(b.publicKey, 'base64').toString('base64url') },
      format: 'jwk',
    }),
  });
  const hmac = (key: Uint8Array | string, data: Uint8Array) => createHmac('sha256', key).update(data).digest();
  const [smaller, larger] = a.publicKey < b.publicKey ? [a, b] : [b, a];
  const keys = [smaller, larger].map(({ publicKey }) => Buffer.from(publicKey, 'base64'));
  const info = Buffer.concat([Buffer.from('stunmesh search 1\0'), ...keys, Buffer.of(1)]);
  return hmac(hmac('stunmesh pair 1', x), info).readUInt32BE(0);
}

/** Base64 to the hex of the userspace socket. */
export function hexKey(base64: string): string {
  return Buffer.from(base64, 'base64').toString('hex');
}
