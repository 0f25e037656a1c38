/** One peer's checks as bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CheckCodec } from '#src/paths/check-codec.js';

test('keys are derived when a check is made or an answer comes, and once', () => {
  const derived: string[] = [];
  const make = (name: string) => () => {
    derived.push(name);
    return { tagKey: new Uint8Array(32), macKey: new Uint8Array(32) };
  };
  const codec = new CheckCodec({ send: make('send'), receive: make('receive') });
  assert.deepEqual(derived, []);
  const send = { transactionId: new Uint8Array(12), nominated: false, betterPath: false, type: 'host' } as const;
  const at = { seconds: 1_800_000_000, clockSane: true };
  for (let i = 0; i < 2; i += 1) assert.equal(codec.request(send, at).length, 72);
  assert.deepEqual(derived, ['send']);
  for (let i = 0; i < 2; i += 1) assert.equal(codec.answer(new Uint8Array(52)), undefined);
  assert.deepEqual(derived, ['send', 'receive']);
});
