import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Bencoded, decode, dictionary, encode, latin1 } from '#src/bencode.js';
import { parseMessage } from '#src/message.js';

const text = (value: Bencoded) => Buffer.from(encode(value)).toString('latin1');

test('values are written as BEP 3 has them, dictionaries in the order of their keys', () => {
  assert.equal(text(latin1('spam')), '4:spam');
  assert.equal(text(-42), 'i-42e');
  assert.equal(text([latin1('a'), 7, []]), 'l1:ai7elee');
  assert.equal(text(dictionary({ b: 1, a: 'x', none: undefined })), 'd1:a1:x1:bi1ee');
});

test('what was written is read again', () => {
  const { value } = fc.letrec<{ value: Bencoded; dict: Bencoded }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', maxDepth: 4 },
      fc.maxSafeInteger(),
      fc.uint8Array({ maxLength: 40 }),
      fc.array(tie('value'), { maxLength: 4 }),
      tie('dict'),
    ),
    dict: fc
      .dictionary(fc.string({ maxLength: 5, unit: 'grapheme-ascii' }), tie('value'), { maxKeys: 4 })
      .map((members) => new Map(Object.entries(members))),
  }));
  fc.assert(fc.property(value, (sent) => assert.deepEqual(decode(encode(sent)), sent)));
});

test('what is not canonical, cut off, too deep or too long is undefined', () => {
  for (const wrong of [
    '',
    'i01e',
    'i-0e',
    'ie',
    'i1',
    '5:spam',
    '01:a',
    'l',
    'd1:ae',
    'di1e1:ae',
    '4:spamX',
    `i${'9'.repeat(20)}e`,
  ])
    assert.equal(decode(latin1(wrong)), undefined, wrong);
  assert.equal(decode(latin1('l'.repeat(2_000) + 'e'.repeat(2_000))), undefined);
  assert.equal(decode(latin1(`l${'i1e'.repeat(2_000)}e`)), undefined);
});

test('F66 100,000 hostile datagrams: none throws', () => {
  const valid = encode(
    dictionary({
      t: 'abcd',
      y: 'r',
      r: dictionary({ id: new Uint8Array(20), nodes: new Uint8Array(52), token: 'tok' }),
    }),
  );
  assert.equal(parseMessage(valid, 4)?.kind, 'answer');
  let seed = 1;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  for (let count = 0; count < 100_000; count += 1) {
    const bytes = count % 3 === 0 ? Uint8Array.from({ length: random(60) }, () => random(256)) : valid.slice();
    for (let changes = random(5); changes >= 0; changes -= 1) bytes[random(bytes.length)] = random(256);
    parseMessage(bytes.subarray(0, bytes.length - random(10)), count % 2 === 0 ? 4 : 6);
  }
});
