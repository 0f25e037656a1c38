/** Records sealed by the tests' own hand (WIRE.md's form by tweetnacl alone), so that core's record code is not its own judge. */
import { createHash, randomBytes } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type KeyPair, REPOSITORY } from '../index.js';

type Box = (message: Uint8Array, nonce: Uint8Array, publicKey: Uint8Array, secret: Uint8Array) => Uint8Array;
type Open = (box: Uint8Array, nonce: Uint8Array, publicKey: Uint8Array, secret: Uint8Array) => Uint8Array | null;

const nacl = createRequire(join(REPOSITORY, 'packages/core/package.json'))('tweetnacl') as {
  readonly box: Box & { readonly open: Open };
};

function raw(publicKey: string): Buffer {
  return Buffer.from(publicKey, 'base64');
}

/** Lower-case hex SHA-1 of both raw public keys. */
export function keyOf(sender: string, receiver: string): string {
  return createHash('sha1').update(raw(sender)).update(raw(receiver)).digest('hex');
}

export interface Code {
  readonly sender: string;
  /** Seconds since 1970. */
  readonly t: number;
  readonly n?: number;
  /** Mapping and filtering of IPv4 by their numbers. Default: not known. */
  readonly mapping4?: number;
  readonly filtering4?: number;
  /** How the NAT chooses ports, by its number. Default: not known. */
  readonly allocation?: number;
}

/** The member `c` of a record: its 16 bytes, in base64url. */
export function codeOf({ sender, t, n = 0, mapping4 = 0, filtering4 = 0, allocation = 0 }: Code): string {
  const bytes = Buffer.alloc(16);
  bytes.set([0x38, (mapping4 << 5) | (filtering4 << 3), allocation << 4]);
  bytes.writeUIntBE(t, 3, 5);
  bytes.writeUInt16BE(n, 8);
  bytes.set(raw(sender).subarray(0, 4), 10);
  return bytes.toString('base64url');
}

/** When a record was written, by its member `c`: seconds since 1970. */
export function timeOf(code: string): number {
  return Buffer.from(code, 'base64url').readUIntBE(3, 5);
}

export function seal(plain: string, sender: KeyPair, receiver: string): string {
  const nonce = randomBytes(24);
  const box = nacl.box(Buffer.from(plain), nonce, raw(receiver), sender.secret);
  return Buffer.concat([nonce, box]).toString('hex');
}

/** The plain text of a value that `sender` sealed for `receiver`; undefined: it does not open. */
export function open(value: string, sender: string, receiver: KeyPair): string | undefined {
  const bytes = Buffer.from(value, 'hex');
  const plain = nacl.box.open(bytes.subarray(24), bytes.subarray(0, 24), raw(sender), receiver.secret);
  return plain === null ? undefined : Buffer.from(plain).toString();
}

/** A store folder (a file per key), written and read by hand. */
export class Folder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Puts a value under the key of sender and receiver, at once as a whole. */
  async put(sender: string, receiver: string, value: string): Promise<void> {
    const file = join(this.path, keyOf(sender, receiver));
    await writeFile(`${file}.hand`, value);
    await rename(`${file}.hand`, file);
  }

  get(sender: string, receiver: string): Promise<string> {
    return readFile(join(this.path, keyOf(sender, receiver)), 'utf8');
  }
}
