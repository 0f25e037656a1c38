import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { formatEndpoint } from '#src/net/index.js';
import {
  ATTRIBUTE,
  findAttribute,
  readAddress,
  readChangeRequest,
  readErrorCode,
  readMappedAddress,
  readSoftware,
  readUnknownAttributes,
  unknownRequired,
} from '#src/stun/attributes.js';
import { formatMessage, type MessageClass, parseMessage, type StunMessage } from '#src/stun/message.js';

interface Vector {
  readonly hex: string;
  readonly software: string;
  readonly mapped: string;
}
const vectors = JSON.parse(
  readFileSync(new URL('../../../../test/fixtures/stun/rfc5769.json', import.meta.url), 'utf8'),
) as Record<'request' | 'ipv4Response' | 'ipv6Response' | 'longTermRequest', Vector>;

const fromHex = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));
const ID = fromHex('b7e7a701bc34d686fa87dfae');
const binding = (kind: MessageClass, attributes: StunMessage['attributes'] = []): StunMessage => ({
  class: kind,
  method: 1,
  transactionId: ID,
  attributes,
});

test('RFC 5769 responses: class, id, software, fingerprint and mapped address are read', () => {
  for (const vector of [vectors.ipv4Response, vectors.ipv6Response]) {
    const message = parseMessage(fromHex(vector.hex));
    assert.ok(message);
    assert.equal(message.class, 'success');
    assert.equal(message.method, 1);
    assert.deepEqual(message.transactionId, ID);
    assert.equal(message.fingerprint, true);
    assert.equal(readSoftware(message), vector.software);
    const mapped = readMappedAddress(message);
    assert.equal(mapped && formatEndpoint(mapped), vector.mapped);
  }
});

test('RFC 5769 requests are read; what this package does not know in them is named', () => {
  const message = parseMessage(fromHex(vectors.request.hex));
  assert.ok(message);
  assert.equal(message.class, 'request');
  assert.equal(readSoftware(message), vectors.request.software);
  const known = new Set<number>(Object.values(ATTRIBUTE));
  assert.deepEqual(unknownRequired(message, known), [0x0024]);
  const longTerm = parseMessage(fromHex(vectors.longTermRequest.hex));
  assert.ok(longTerm);
  assert.equal(longTerm.fingerprint, undefined);
  assert.deepEqual(
    longTerm.attributes.map((a) => a.type),
    [ATTRIBUTE.USERNAME, ATTRIBUTE.NONCE, ATTRIBUTE.REALM, ATTRIBUTE.MESSAGE_INTEGRITY],
  );
});

test('a message of RFC 5769 is written again byte for byte, but for the value of its padding', () => {
  for (const vector of [vectors.ipv4Response, vectors.ipv6Response, vectors.longTermRequest]) {
    const message = parseMessage(fromHex(vector.hex));
    assert.ok(message);
    const again = formatMessage({ ...message, fingerprint: false });
    const wanted = fromHex(vector.hex).slice(0, again.length);
    // The vectors pad with spaces and count the FINGERPRINT in the length.
    wanted.set(again.subarray(2, 4), 2);
    if (vector.software !== undefined) wanted[35] = 0;
    assert.deepEqual(again, wanted);
  }
});

test('after a single flipped bit no message passes for one with a right FINGERPRINT', () => {
  const bytes = fromHex(vectors.ipv4Response.hex);
  let refused = 0;
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = Uint8Array.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const message = parseMessage(flipped);
    // A flip in a type or length can hide the FINGERPRINT altogether; then the message stands without one.
    assert.equal(message?.fingerprint, undefined, `bit ${bit}`);
    if (!message) refused += 1;
  }
  assert.ok(refused > bytes.length * 8 - 32, `${refused} refused`);
});

test('what is not STUN is undefined: short, wrong cookie, top bits, length, cut attribute, attribute behind FINGERPRINT', () => {
  const good = formatMessage(binding('request'));
  assert.ok(parseMessage(good));
  const change = (at: number, value: number) => Uint8Array.from(good, (b, i) => (i === at ? value : b));
  assert.equal(parseMessage(new Uint8Array()), undefined);
  assert.equal(parseMessage(good.subarray(0, 19)), undefined);
  assert.equal(parseMessage(change(4, 0x20)), undefined);
  assert.equal(parseMessage(change(0, 0x40)), undefined);
  assert.equal(parseMessage(change(0, 0x80)), undefined);
  assert.equal(parseMessage(change(3, 4)), undefined);
  assert.equal(parseMessage(Uint8Array.of(...good, 0)), undefined);
  assert.equal(parseMessage(Uint8Array.of(...change(3, 2), 0, 0)), undefined);
  assert.equal(parseMessage(Uint8Array.of(...change(3, 4), 0x80, 0x22, 0, 5)), undefined);
  const signed = formatMessage({ ...binding('request'), fingerprint: true });
  assert.equal(parseMessage(signed)?.fingerprint, true);
  // Right by itself, were it the last attribute: zlib's CRC-32 is an independent one.
  const more = Buffer.from([...signed, 0x80, 0x22, 0, 0]);
  more[3] = 12;
  more.writeUInt32BE((crc32(more.subarray(0, 20)) ^ 0x5354554e) >>> 0, 24);
  assert.equal(parseMessage(more), undefined);
});

test('class and method bits are where RFC 8489 figure 3 has them', () => {
  const type = (message: StunMessage) => Buffer.from(formatMessage(message)).readUInt16BE(0);
  assert.equal(type(binding('request')), 0x0001);
  assert.equal(type(binding('indication')), 0x0011);
  assert.equal(type(binding('success')), 0x0101);
  assert.equal(type(binding('error')), 0x0111);
  assert.equal(type({ ...binding('error'), method: 0xfff }), 0x3fff);
  assert.equal(type({ ...binding('request'), method: 0xfff }), 0x3eef);
});

test('messages survive being written and read', () => {
  const attribute = fc.record(
    {
      type: fc.integer({ min: 0, max: 0xffff }).filter((t) => t !== 0x8028),
      value: fc.uint8Array({ maxLength: 40 }),
    },
    { noNullPrototype: true },
  );
  const message = fc.record(
    {
      class: fc.constantFrom<MessageClass>('request', 'indication', 'success', 'error'),
      method: fc.integer({ min: 0, max: 0xfff }),
      transactionId: fc.uint8Array({ minLength: 12, maxLength: 12 }),
      attributes: fc.array(attribute, { maxLength: 8 }),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(message, fc.boolean(), (m, fingerprint) => {
      const whole = fingerprint ? { ...m, fingerprint } : m;
      assert.deepEqual(parseMessage(formatMessage(whole)), whole);
    }),
  );
});

test('fuzz: any bytes, and any bytes behind a right header, give a value and never an exception', () => {
  const readAll = (bytes: Uint8Array) => {
    const message = parseMessage(bytes);
    if (!message) return;
    readMappedAddress(message);
    readErrorCode(message);
    readUnknownAttributes(message);
    readSoftware(message);
    readChangeRequest(message);
    readAddress(message, ATTRIBUTE.OTHER_ADDRESS);
    findAttribute(message, ATTRIBUTE.RESPONSE_ORIGIN);
    formatMessage(message);
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), readAll), { numRuns: 2000 });
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 0x3fff }),
      fc.array(
        fc.record({
          type: fc.constantFrom(...Object.values(ATTRIBUTE), 0x8028, 0x7000),
          length: fc.integer({ min: 0, max: 40 }),
          value: fc.uint8Array({ maxLength: 36 }),
        }),
        { maxLength: 6 },
      ),
      (type, attributes) => {
        const body = attributes.flatMap((a) => {
          const value = [...a.value, 0, 0, 0].slice(0, (a.value.length + 3) & ~3);
          return [a.type >> 8, a.type & 0xff, 0, a.length, ...value];
        });
        const head = [type >> 8, type & 0xff, body.length >> 8, body.length & 0xff, 0x21, 0x12, 0xa4, 0x42, ...ID];
        readAll(Uint8Array.from([...head, ...body]));
      },
    ),
    { numRuns: 5000 },
  );
});
