import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { SecretKey } from '#src/api/index.js';
import { createPairKeys, expand } from '#src/record/pair-keys.js';
import { sharedSecret } from '#src/record/shared-secret.js';
import { key, PAIR_VECTORS as vectors } from './pair-vectors.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('both hosts of every golden pair derive the same keys', () => {
  assert.ok(vectors.length >= 3);
  for (const v of vectors) {
    const [secretA, secretB] = [SecretKey.parse(v.secretA), SecretKey.parse(v.secretB)];
    assert.equal(hex(sharedSecret(secretA, key(v.publicB))), v.shared);
    const a = createPairKeys(secretA, key(v.publicA), key(v.publicB));
    const b = createPairKeys(secretB, key(v.publicB), key(v.publicA));
    const plain = ({ tagKey, macKey }: { tagKey: Uint8Array; macKey: Uint8Array }) => ({
      tagKey: hex(tagKey),
      macKey: hex(macKey),
    });
    for (const [ab, ba] of [
      [a.send(), a.receive()],
      [b.receive(), b.send()],
    ] as const) {
      assert.deepEqual(plain(ab), v.checkAB);
      assert.deepEqual(plain(ba), v.checkBA);
    }
    assert.deepEqual([a.smaller, b.smaller], [v.smaller === 'A', v.smaller === 'B']);
    assert.deepEqual([a.searchSeed, b.searchSeed], [v.searchSeed, v.searchSeed]);
    assert.equal(hex(a.readerMark('own')), v.readerMarkAB);
    assert.equal(hex(a.readerMark('peer')), v.readerMarkBA);
    assert.equal(hex(b.readerMark('own')), v.readerMarkBA);
    assert.equal(hex(a.storeSecret(v.storeAB.module, 'own')), v.storeAB.secret);
    assert.equal(hex(b.storeSecret(v.storeAB.module, 'peer')), v.storeAB.secret);
    assert.equal(hex(a.storeSecret(v.storeBA.module, 'peer')), v.storeBA.secret);
  }
});

test('a host has keys with itself: the slot of its own probes of a store', () => {
  const [v] = vectors;
  assert.ok(v);
  const own = key(v.publicA);
  const keys = createPairKeys(SecretKey.parse(v.secretA), own, own);
  assert.equal(keys.smaller, false);
  assert.equal(hex(keys.storeSecret('mainline', 'own')), hex(keys.storeSecret('mainline', 'peer')));
  assert.notEqual(hex(keys.storeSecret('mainline', 'own')), hex(keys.storeSecret('other', 'own')));
});

test('HKDF-Expand gives the first and third vector of RFC 5869', () => {
  const cases = [
    {
      prk: '077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5',
      info: 'f0f1f2f3f4f5f6f7f8f9',
      okm: '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    },
    {
      prk: '19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04',
      info: '',
      okm: '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
    },
  ];
  for (const { prk, info, okm } of cases)
    assert.equal(hex(expand(Buffer.from(prk, 'hex'), Buffer.from(info, 'hex'), 42)), okm);
});

test('F34 the keys of a pair print nothing', () => {
  const [v] = vectors;
  assert.ok(v);
  const keys = createPairKeys(SecretKey.parse(v.secretA), key(v.publicA), key(v.publicB));
  for (const text of [`${keys}`, JSON.stringify({ keys }), inspect(keys, { showHidden: true, depth: 9 })])
    assert.match(text, /^"?(\{"keys":")?\[secret\]/);
});
