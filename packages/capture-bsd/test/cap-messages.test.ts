import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CapMessage, createCapReader, encodeCapMessage } from '#src/cap-messages.js';

const message: fc.Arbitrary<CapMessage> = fc.oneof(
  fc.string().map((linkType) => ({ kind: 'ready', linkType }) as const),
  fc.uint8Array({ maxLength: 300 }).map((frame) => ({ kind: 'frame', frame }) as const),
  fc.string().map((text) => ({ kind: 'failed', text }) as const),
  fc.string().map((text) => ({ kind: 'missing', text }) as const),
);

test('messages come back whole, however the stream is cut', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 40 })), (messages, cuts) => {
      const bytes = Buffer.concat(messages.map(encodeCapMessage));
      const read = createCapReader();
      const got: CapMessage[] = [];
      let at = 0;
      for (const cut of [...cuts, bytes.length]) {
        got.push(...read(bytes.subarray(at, at + cut)));
        at += cut;
      }
      assert.deepEqual(got, messages);
    }),
  );
});

test('a frame keeps its bytes when the stream goes on', () => {
  const read = createCapReader();
  const piece = encodeCapMessage({ kind: 'frame', frame: Uint8Array.of(1, 2, 3) });
  const [got] = read(piece);
  piece.fill(9);
  assert.deepEqual(got, { kind: 'frame', frame: Uint8Array.of(1, 2, 3) });
});

test('what no child of ours says is refused before it is gathered', () => {
  assert.throws(() => createCapReader()(Uint8Array.of(0, 0, 0, 1, 9, 0)), RangeError);
  assert.throws(() => createCapReader()(Uint8Array.of(255, 0, 0, 0, 1)), RangeError);
  assert.throws(() => createCapReader()(Buffer.from('Warning: something')), RangeError);
});
