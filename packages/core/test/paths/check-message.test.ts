import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { createEndpoint, parseEndpoint } from '#src/net/index.js';
import {
  checkTag,
  formatCheckAnswer,
  formatCheckRequest,
  isCheckRequest,
  parseCheckAnswer,
  parseCheckRequest,
} from '#src/paths/check-message.js';
import { slotOf } from '#src/paths/check-tags.js';
import { unknownRequired } from '#src/stun/attributes.js';
import { parseMessage } from '#src/stun/message.js';
import { hex, keysOfA, keysOfB, unhex, vectors } from './pair.js';

const [golden] = vectors.requests;
assert.ok(golden);
const slotNumber = (text: string): number => Number(BigInt.asIntN(64, BigInt(text)));

test('both hosts compute the golden tags', () => {
  for (const { slot, ab, ba } of vectors.tags) {
    assert.equal(hex(checkTag(keysOfA.send(), slotNumber(slot))), ab);
    assert.equal(hex(checkTag(keysOfB.receive(), slotNumber(slot))), ab);
    assert.equal(hex(checkTag(keysOfB.send(), slotNumber(slot))), ba);
  }
  assert.equal(slotOf(1_796_112_063.9, true), 28_064_250);
  assert.equal(BigInt.asUintN(64, BigInt(slotOf(1_796_112_063.9, false))), 2n ** 64n - 1n);
});

test('the golden requests are made and read byte for byte, 72 of them', () => {
  for (const { ab, ba, slot, transactionId, ...fields } of vectors.requests) {
    const request = { ...fields, transactionId: unhex(transactionId) };
    const made = formatCheckRequest(keysOfA.send(), checkTag(keysOfA.send(), slotNumber(slot)), request);
    assert.equal(hex(made), ab);
    assert.equal(made.length, 72);
    assert.equal(hex(formatCheckRequest(keysOfB.send(), checkTag(keysOfB.send(), slotNumber(slot)), request)), ba);
    assert.deepEqual(parseCheckRequest(keysOfB.receive(), made), request);
    assert.equal(slotOf(request.seconds, request.clockSane), slotNumber(slot));
  }
});

test('the golden answers are made and read byte for byte; none is longer than its request', () => {
  for (const { transactionId, address, port, byA, byB } of vectors.answers) {
    const from = parseEndpoint(address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`);
    assert.ok(from);
    const made = formatCheckAnswer(keysOfB.send(), unhex(transactionId), from);
    assert.equal(hex(made), byB);
    assert.equal(made.length, from.family === 4 ? 52 : 64);
    assert.deepEqual(parseCheckAnswer(keysOfA.receive(), made), { transactionId: unhex(transactionId), mapped: from });
    assert.equal(hex(formatCheckAnswer(keysOfA.send(), unhex(transactionId), from)), byA);
  }
});

test('a check is a STUN message that a stranger reads without complaint', () => {
  const message = parseMessage(unhex(golden.ab));
  assert.ok(message);
  assert.equal(message.class, 'request');
  assert.deepEqual(unknownRequired(message, new Set([0x0006, 0x001c])), []);
});

test('F44 whoever changes one bit, reflects or turns a check round is not heard', () => {
  const bytes = unhex(golden.ab);
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const changed = Uint8Array.from(bytes);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(parseCheckRequest(keysOfB.receive(), changed), undefined, `bit ${bit}`);
  }
  assert.equal(parseCheckRequest(keysOfA.receive(), bytes), undefined, 'its own request, reflected');
  const [answer] = vectors.answers;
  assert.ok(answer);
  const reply = unhex(answer.byB);
  for (let bit = 0; bit < reply.length * 8; bit += 1) {
    const changed = Uint8Array.from(reply);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(parseCheckAnswer(keysOfA.receive(), changed), undefined, `bit ${bit}`);
  }
  assert.equal(parseCheckAnswer(keysOfB.receive(), reply), undefined);
  assert.equal(parseCheckAnswer(keysOfA.receive(), bytes), undefined, 'a request is no answer');
});

test('another version is met with silence, unknown flags and bytes are ignored', () => {
  const remade = (change: (bytes: Uint8Array) => void) => {
    const bytes = unhex(golden.ab);
    change(bytes);
    const mac = createHmac('sha256', keysOfA.send().macKey).update(bytes.subarray(0, 52)).digest();
    bytes.set(mac.subarray(0, 16), 56);
    return bytes;
  };
  assert.equal(
    parseCheckRequest(
      keysOfB.receive(),
      remade((b) => b.set([2], 36)),
    ),
    undefined,
  );
  const odd = parseCheckRequest(
    keysOfB.receive(),
    remade((b) => b.set([0xf9, 99, 7], 37)),
  );
  assert.deepEqual([odd?.clockSane, odd?.nominated, odd?.betterPath, odd?.type], [true, false, false, 'reflexive']);
});

test('F44 nothing on the wire tells who checks whom', () => {
  const request = { ...golden, transactionId: unhex(golden.transactionId) };
  const made = (slot: number) => formatCheckRequest(keysOfA.send(), checkTag(keysOfA.send(), slot), request);
  const keys = [vectors.publicA, vectors.publicB].map((text) => Buffer.from(text, 'base64'));
  for (const key of keys)
    for (let i = 0; i + 4 <= 32; i += 1) assert.equal(Buffer.from(made(5)).includes(key.subarray(i, i + 4)), false);
  assert.notDeepEqual(made(5).subarray(24, 32), made(6).subarray(24, 32));
});

test('any bytes give a value or nothing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      assert.equal(parseCheckRequest(keysOfB.receive(), bytes), undefined);
      assert.equal(parseCheckAnswer(keysOfB.receive(), bytes), undefined);
      assert.equal(isCheckRequest(bytes), false);
    }),
  );
  const id = fc.uint8Array({ minLength: 12, maxLength: 12 });
  const address = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );
  fc.assert(
    fc.property(id, address, fc.integer({ min: 0, max: 65535 }), (transactionId, bytes, port) => {
      const mapped = createEndpoint(bytes, port);
      const made = formatCheckAnswer(keysOfA.send(), transactionId, mapped);
      assert.deepEqual(parseCheckAnswer(keysOfB.receive(), made), { transactionId, mapped });
    }),
  );
});
