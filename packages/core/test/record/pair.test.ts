import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SecretKey } from '#src/api/index.js';
import { createPair } from '#src/record/pair.js';
import { LOW_ORDER } from './low-order.js';
import { key, PAIR_VECTORS } from './pair-vectors.js';

const [v] = PAIR_VECTORS;
assert.ok(v);

test('a pair multiplies when something is first needed of it, and once', () => {
  let used = 0;
  const real = SecretKey.parse(v.secretA);
  const counted = {
    expose() {
      used += 1;
      return real.expose();
    },
  } as SecretKey;
  const { channel, keys } = createPair(counted, key(v.publicA), key(v.publicB));
  assert.equal(keys.smaller, v.smaller === 'A');
  assert.equal(used, 0);
  const far = createPair(SecretKey.parse(v.secretB), key(v.publicB), key(v.publicA));
  assert.equal(far.channel.open(channel.seal('a record')), 'a record');
  assert.equal(used, 1);
  assert.deepEqual([keys.searchSeed, far.keys.searchSeed], [v.searchSeed, v.searchSeed]);
  assert.equal(used, 1);
});

test('F22 a weak key is refused at once, in each of its encodings', () => {
  for (const hex of LOW_ORDER) {
    const weak = key(Buffer.from(hex, 'hex').toString('base64'));
    assert.throws(() => createPair(SecretKey.parse(v.secretA), key(v.publicA), weak), { code: 'ERR_KEY_WEAK' });
  }
});
