import assert from 'node:assert/strict';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { test } from 'node:test';
import { signedBytes } from '#src/message.js';
import { dayOf, daysToRead, deriveSlot, secretOfKey } from '#src/slot.js';

const secret = Uint8Array.from({ length: 32 }, (_, index) => index);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('the slot of a secret and a day is what every version has to compute', () => {
  const slot = deriveSlot(secret, 20_788);
  assert.deepEqual(
    { target: slot.target, publicKey: hex(slot.publicKey), salt: hex(slot.salt) },
    {
      target: '11a4cf259d5b36d2e8cedf670bfeb60937c74e62',
      publicKey: '15ec89897634b2251a5a620ab0eb4ec3363d3b3094ac2ba04b4c11bd40b91dd4',
      salt: 'd8f8017ef2ddb4b6c2c353da77f91cc4',
    },
  );
  assert.equal(slot.target, createHash('sha1').update(slot.publicKey).update(slot.salt).digest('hex'));
});

test('another day, another secret, and a key that is known are other slots', () => {
  const targets = [
    deriveSlot(secret, 1),
    deriveSlot(secret, 2),
    deriveSlot(secretOfKey('ab'.repeat(20)), 1),
    deriveSlot(secretOfKey('cd'.repeat(20)), 1),
  ].map(({ target }) => target);
  assert.equal(new Set(targets).size, 4);
});

test('F65 an item counts with the slot’s own key and a signature over salt, seq and value', () => {
  const slot = deriveSlot(secret, 1);
  const item = slot.seal(Uint8Array.of(1, 2, 3), 7);
  assert.ok(slot.accepts(item));
  assert.ok(!slot.accepts({ ...item, seq: 8 }));
  assert.ok(!slot.accepts({ ...item, value: Uint8Array.of(1, 2, 4) }));
  assert.ok(!slot.accepts(deriveSlot(secret, 2).seal(Uint8Array.of(1, 2, 3), 7)));
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), slot.publicKey]);
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  assert.ok(verify(null, signedBytes(slot.salt, 7, Uint8Array.of(1, 2, 3)), key, item.signature));
});

test('the bytes that are signed are those of BEP 44', () => {
  const bytes = signedBytes(Uint8Array.from(Buffer.from('foobar')), 1, Uint8Array.from(Buffer.from('Hello World!')));
  assert.equal(Buffer.from(bytes).toString('latin1'), '4:salt6:foobar3:seqi1e1:v12:Hello World!');
});

test('yesterday is asked in the first hours of a day alone, tomorrow in the last one', () => {
  const midnight = Date.UTC(2026, 11, 1);
  const today = dayOf(midnight);
  const at = (hours: number) => daysToRead(midnight + hours * 3_600_000);
  assert.deepEqual(at(0.5), { now: [today], later: [today - 1] });
  assert.deepEqual(at(2.9), { now: [today], later: [today - 1] });
  assert.deepEqual(at(12), { now: [today], later: [] });
  assert.deepEqual(at(23.5), { now: [today, today + 1], later: [] });
});
