import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import nacl from 'tweetnacl';
import { parsePublicKey, SecretKey } from '#src/api/index.js';
import { createPairKeys } from '#src/record/pair-keys.js';
import { bearsMark, LONGEST_SEALED, markedNonce, valueLimit } from '#src/record/reader-mark.js';
import { createChannel } from '#src/record/seal.js';

const { marks } = JSON.parse(
  readFileSync(new URL('../../../../test/fixtures/paths/path-codes.json', import.meta.url), 'utf8'),
) as { readonly marks: readonly { readonly key: string; readonly random: string; readonly nonce: string }[] };

function createHost() {
  const { publicKey, secretKey } = nacl.box.keyPair();
  const text = parsePublicKey(Buffer.from(publicKey).toString('base64')) ?? assert.fail('not a key');
  return { publicKey: text, secretKey: new SecretKey(secretKey) };
}

test('the golden nonces bear their mark', () => {
  for (const { key, random, nonce } of marks) {
    const made = markedNonce(Buffer.from(key, 'hex'), Buffer.from(random, 'hex'));
    assert.equal(Buffer.from(made).toString('hex'), nonce);
    assert.equal(bearsMark(Buffer.from(key, 'hex'), nonce), true);
  }
});

test('a record sealed with the mark opens for every reader, and only the mark of its writer is found', () => {
  const [a, b] = [createHost(), createHost()];
  const keysA = createPairKeys(a.secretKey, a.publicKey, b.publicKey);
  const keysB = createPairKeys(b.secretKey, b.publicKey, a.publicKey);
  const sealed = createChannel(a.secretKey, b.publicKey, keysA.readerMark('own')).seal('{}');
  assert.equal(createChannel(b.secretKey, a.publicKey).open(sealed), '{}');
  assert.equal(bearsMark(keysB.readerMark('peer'), sealed), true);
  assert.equal(bearsMark(keysB.readerMark('own'), sealed), false, 'a reflected record is not the other one’s');
  assert.equal(bearsMark(keysB.readerMark('peer'), createChannel(a.secretKey, b.publicKey).seal('{}')), false);
  for (const text of ['', 'ab', 'no hex at all, but as long as a nonce would be in hex']) {
    assert.equal(bearsMark(keysB.readerMark('peer'), text), false, text);
  }
});

test('F11 each nonce is a fresh one, with the mark too', () => {
  const [a, b] = [createHost(), createHost()];
  const mark = createPairKeys(a.secretKey, a.publicKey, b.publicKey).readerMark('own');
  const channel = createChannel(a.secretKey, b.publicKey, mark);
  assert.notEqual(channel.seal('{}').slice(0, 40), channel.seal('{}').slice(0, 40));
});

test('F36 longer than an old reader takes only for a peer that reads it, and never over 2,048 characters', () => {
  const dns = { maxValueBytes: 255, maxLongValue: 4_000 };
  assert.equal(valueLimit(dns, false), 255);
  assert.equal(valueLimit(dns, true), LONGEST_SEALED);
  assert.equal(valueLimit({ maxValueBytes: 255 }, true), 255);
  assert.equal(valueLimit({ maxValueBytes: 1_000_000 }, false), LONGEST_SEALED);
});
