/** Connectivity checks made by the tests' own hand (node:crypto alone), so that core's code is not its own judge. */
import { createHmac, createPrivateKey, createPublicKey, diffieHellman, hkdfSync, randomBytes } from 'node:crypto';
import type { KeyPair } from '../../lab/index.js';

const SLOT_SECONDS = 64;
const REQUEST_BYTES = 72;

export interface Direction {
  readonly tagKey: Buffer;
  readonly macKey: Buffer;
}

/** The keys of the checks that `from` sends to `to`; either of them can derive these. */
export function directionOf(own: KeyPair, peer: string, from: string, to: string): Direction {
  const raw = (key: string) => Buffer.from(key, 'base64');
  const jwk = (key: string) => ({ kty: 'OKP', crv: 'X25519', x: raw(key).toString('base64url') });
  const shared = diffieHellman({
    privateKey: createPrivateKey({
      key: { ...jwk(own.publicKey), d: own.secret.toString('base64url') },
      format: 'jwk',
    }),
    publicKey: createPublicKey({ key: jwk(peer), format: 'jwk' }),
  });
  const info = Buffer.concat([Buffer.from('stunmesh check 1\0'), raw(from), raw(to)]);
  const bytes = Buffer.from(hkdfSync('sha256', shared, 'stunmesh pair 1', info, 64));
  return { tagKey: bytes.subarray(0, 32), macKey: bytes.subarray(32) };
}

/** A request that is valid now. */
export function request({ tagKey, macKey }: Direction): Buffer {
  const seconds = Math.floor(Date.now() / 1000);
  const slot = Buffer.alloc(8);
  slot.writeBigUInt64BE(BigInt(Math.floor(seconds / SLOT_SECONDS)));
  const tag = createHmac('sha256', tagKey).update(slot).digest().subarray(0, 8);
  const bytes = Buffer.alloc(REQUEST_BYTES);
  bytes.write('000100342112a442', 0, 'hex');
  randomBytes(12).copy(bytes, 8);
  bytes.write('00060008', 20, 'hex');
  tag.copy(bytes, 24);
  // Version 1, a sane clock, a reflexive candidate.
  bytes.write('c5a1001001010100', 32, 'hex');
  bytes.writeUInt32BE(seconds, 40);
  bytes.write('001c0010', 52, 'hex');
  createHmac('sha256', macKey).update(bytes.subarray(0, 52)).digest().copy(bytes, 56, 0, 16);
  return bytes;
}

/** One whose tag is right, or any, and whose integrity is not. */
export function forged(direction: Direction, tag: 'right' | 'any'): Buffer {
  const bytes = request(direction);
  if (tag === 'any') randomBytes(8).copy(bytes, 24);
  randomBytes(16).copy(bytes, 56);
  return bytes;
}

/** Whether these bytes answer the request, signed with the keys of the direction from the responder. */
export function isAnswer({ macKey }: Direction, asked: Buffer, bytes: Buffer): boolean {
  const before = bytes.subarray(0, bytes.length - 20);
  const integrity = createHmac('sha256', macKey).update(before).digest().subarray(0, 16);
  return (
    bytes.length === 52 &&
    bytes.readUInt16BE(0) === 0x0101 &&
    bytes.subarray(4, 20).equals(asked.subarray(4, 20)) &&
    bytes.subarray(36).equals(integrity)
  );
}
