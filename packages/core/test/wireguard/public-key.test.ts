/** The public half of a key, as another implementation has it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import nacl from 'tweetnacl';
import { SecretKey } from '#src/api/index.js';
import { publicKeyOf } from '#src/wireguard/public-key.js';

const secretOf = (bytes: Uint8Array): SecretKey => SecretKey.parse(Buffer.from(bytes).toString('base64'));

test('RFC 7748 section 6.1: the public key of Bob', () => {
  const secret = '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb';
  const publicKey = publicKeyOf(secretOf(Buffer.from(secret, 'hex')));
  const expected = 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f';
  assert.equal(Buffer.from(publicKey ?? '', 'base64').toString('hex'), expected);
});

test('any bytes make a key, the one that tweetnacl makes; asked again it is the same', () => {
  const made = Array.from({ length: 12 }, () => randomBytes(32));
  for (const secret of [...made, Buffer.alloc(32, 0xff), Buffer.alloc(32, 1), ...made]) {
    const expected = Buffer.from(nacl.scalarMult.base(secret)).toString('base64');
    assert.equal(publicKeyOf(secretOf(secret)), expected);
  }
});
