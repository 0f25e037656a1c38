import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseEndpoint } from '#src/net/index.js';
import {
  ATTRIBUTE,
  changeRequestAttribute,
  readAddress,
  readErrorCode,
  readMappedAddress,
  readSoftware,
  readUnknownAttributes,
  softwareAttribute,
} from '#src/stun/attributes.js';
import {
  formatMessage,
  type MessageClass,
  parseMessage,
  type StunAttribute,
  type StunMessage,
} from '#src/stun/message.js';
import { createReply, isBindingRequest, mayAnswer, type ReplyContext } from '#src/stun-server/reply.js';

const endpoint = (text: string) => {
  const parsed = parseEndpoint(text);
  assert.ok(parsed);
  return parsed;
};
const FROM = endpoint('203.0.113.7:40000');
const ORIGIN = endpoint('198.51.100.1:3478');
const OTHER = endpoint('198.51.100.2:3479');
const single: ReplyContext = { from: FROM, origin: () => ORIGIN };
const pair: ReplyContext = { ...single, origin: (c) => (c.changeIp ? OTHER : ORIGIN), other: OTHER };

const request = (attributes: readonly StunAttribute[] = [], change: Partial<StunMessage> = {}) =>
  formatMessage({ class: 'request', method: 1, transactionId: new Uint8Array(12).fill(7), attributes, ...change });

/** Makes a request this much longer, as clients do that want all that a server has to say. */
const longer = (length: number): StunAttribute => ({ type: ATTRIBUTE.SOFTWARE, value: new Uint8Array(length - 4) });

function answer(bytes: Uint8Array, context = single) {
  const reply = createReply(bytes, context);
  assert.ok(reply);
  const message = parseMessage(reply.bytes);
  assert.ok(message);
  return { ...reply, message };
}

test('a binding request is answered with who asked, and whence the answer comes where there is room, and nothing else', () => {
  assert.deepEqual(
    answer(request()).message.attributes.map((a) => a.type),
    [ATTRIBUTE.XOR_MAPPED_ADDRESS],
  );
  const { message, change } = answer(request([longer(24)]));
  assert.equal(message.class, 'success');
  assert.deepEqual(message.transactionId, new Uint8Array(12).fill(7));
  assert.deepEqual(
    message.attributes.map((a) => a.type),
    [ATTRIBUTE.XOR_MAPPED_ADDRESS, ATTRIBUTE.RESPONSE_ORIGIN],
  );
  assert.deepEqual(readMappedAddress(message), FROM);
  assert.deepEqual(readAddress(message, ATTRIBUTE.RESPONSE_ORIGIN), ORIGIN);
  assert.deepEqual(change, { changeIp: false, changePort: false });
  assert.equal(message.fingerprint, undefined);
});

test('FINGERPRINT is answered with FINGERPRINT, SOFTWARE is told when set', () => {
  assert.equal(answer(request([], { fingerprint: true })).message.fingerprint, true);
  const named = { ...single, software: 'mine' };
  assert.equal(readSoftware(answer(request([longer(32)]), named).message), 'mine');
  assert.equal(readSoftware(answer(request(), named).message), undefined);
});

test('with two addresses CHANGE-REQUEST chooses the socket, and OTHER-ADDRESS is told', () => {
  for (const changeIp of [false, true])
    for (const changePort of [false, true]) {
      const asked = changeRequestAttribute({ changeIp, changePort });
      const short = answer(request([asked]), pair);
      assert.deepEqual(short.change, { changeIp, changePort });
      assert.deepEqual(
        short.message.attributes.map((a) => a.type),
        [ATTRIBUTE.XOR_MAPPED_ADDRESS, ATTRIBUTE.OTHER_ADDRESS],
      );
      const { message, change } = answer(request([asked, longer(40)]), pair);
      assert.deepEqual(change, { changeIp, changePort });
      assert.deepEqual(readAddress(message, ATTRIBUTE.OTHER_ADDRESS), OTHER);
      assert.deepEqual(readAddress(message, ATTRIBUTE.MAPPED_ADDRESS), FROM);
      assert.deepEqual(readAddress(message, ATTRIBUTE.RESPONSE_ORIGIN), changeIp ? OTHER : ORIGIN);
    }
});

test('attributes that must be understood and are not get 420 with their types; so does CHANGE-REQUEST with one address', () => {
  const unknown = { type: 0x0024, value: new Uint8Array(4) };
  const { message } = answer(request([softwareAttribute('x'), unknown, unknown, { ...unknown, type: 0x7abc }]));
  assert.equal(message.class, 'error');
  assert.equal(readErrorCode(message)?.code, 420);
  assert.deepEqual(readUnknownAttributes(message), [0x0024, 0x7abc]);
  const change = changeRequestAttribute({ changeIp: true, changePort: false });
  assert.deepEqual(readUnknownAttributes(answer(request([change])).message), [ATTRIBUTE.CHANGE_REQUEST]);
});

test('a CHANGE-REQUEST of a wrong size gets 400', () => {
  const { message } = answer(request([{ type: ATTRIBUTE.CHANGE_REQUEST, value: new Uint8Array(3) }]), pair);
  assert.equal(readErrorCode(message)?.code, 400);
});

test('F42 only binding requests are answered: no response, indication, other method, nor anything else', () => {
  for (const kind of ['success', 'error', 'indication'] satisfies MessageClass[])
    assert.equal(createReply(request([], { class: kind }), single), undefined, kind);
  assert.equal(createReply(request([], { method: 3 }), single), undefined);
  assert.equal(createReply(new Uint8Array(20), single), undefined);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => createReply(bytes, single) === undefined));
});

test('F42 no answer is itself answered, so that two servers never talk to each other', () => {
  for (const bytes of [request(), request([{ type: 0x0024, value: new Uint8Array(4) }])])
    assert.equal(createReply(answer(bytes).bytes, single), undefined);
});

/** Bytes of an address attribute. */
const ADDRESS_BYTES = { 4: 12, 6: 24 };

for (const family of [4, 6] as const)
  test(`F42 no amplification (IPv${family}): beyond the request's own length an answer has its address, and OTHER-ADDRESS of a NAT behaviour server`, () => {
    const from = family === 4 ? FROM : endpoint('[2001:db8::7]:40000');
    const other = family === 4 ? OTHER : endpoint('[2001:db8::2]:3479');
    const attribute = fc.record(
      {
        type: fc.integer({ min: 0, max: 0xffff }).filter((t) => t !== 0x8028),
        value: fc.uint8Array({ maxLength: 20 }),
      },
      { noNullPrototype: true },
    );
    for (const [context, most] of [
      [{ from, origin: () => other, software: 'a name' }, ADDRESS_BYTES[family]],
      [{ from, origin: () => other, software: 'a name', other }, 2 * ADDRESS_BYTES[family]],
    ] as const) {
      const shortest = createReply(request(), context);
      assert.equal(shortest?.bytes.length, 20 + most);
      fc.assert(
        fc.property(fc.array(attribute, { maxLength: 30 }), fc.boolean(), (attributes, fingerprint) => {
          const bytes = request(attributes, { fingerprint });
          const reply = createReply(bytes, context);
          assert.ok(reply && reply.bytes.length <= bytes.length + most, `${reply?.bytes.length} for ${bytes.length}`);
        }),
      );
    }
  });

test('F42 room for more is what the request leaves beside the FINGERPRINT of the answer', () => {
  const bytes = request([longer(16)], { fingerprint: true });
  assert.equal(bytes.length, 44);
  const { message } = answer(bytes);
  assert.deepEqual(
    message.attributes.map((a) => a.type),
    [ATTRIBUTE.XOR_MAPPED_ADDRESS],
  );
  assert.equal(answer(request([longer(24)], { fingerprint: true })).message.attributes.length, 2);
});

test('F42 nothing is sent to an address that would reach many, or nobody', () => {
  for (const text of ['224.0.0.1:1', '255.255.255.255:1', '0.0.0.0:1', '[ff02::1]:1', '[::]:1', '[::ffff:192.0.2.1]:1'])
    assert.equal(mayAnswer(endpoint(text)), false, text);
  for (const text of ['192.0.2.1:1', '127.0.0.1:1', '10.0.0.1:1', '[2001:db8::1]:1', '[::1]:1'])
    assert.equal(mayAnswer(endpoint(text)), true, text);
});

test('what begins as a binding request is told from all else without reading on', () => {
  assert.equal(isBindingRequest(request()), true);
  for (const bytes of [new Uint8Array(0), new Uint8Array(20), request().subarray(0, 19), request([], { method: 3 })])
    assert.equal(isBindingRequest(bytes), false);
  for (const kind of ['success', 'error', 'indication'] satisfies MessageClass[])
    assert.equal(isBindingRequest(request([], { class: kind })), false);
  // Every request that is answered passes.
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (b) => isBindingRequest(b) || !createReply(b, single)));
});
