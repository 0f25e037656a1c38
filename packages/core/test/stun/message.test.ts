import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatEndpoint } from '#src/net/index.js';
import {
  ATTRIBUTE,
  addressAttribute,
  changeRequestAttribute,
  errorCodeAttribute,
  findAttribute,
  readAddress,
  readChangeRequest,
  readErrorCode,
  readMappedAddress,
  readSoftware,
  readUnknownAttributes,
  softwareAttribute,
  unknownAttributesAttribute,
  unknownRequired,
  xorAddressAttribute,
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
  const more = Uint8Array.of(...signed, 0x80, 0x22, 0, 0);
  more[3] = 12;
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

test('attributes survive being written and read', () => {
  const address = fc
    .tuple(fc.oneof(fc.ipV4(), fc.constantFrom('::', '2001:db8::1', 'fe80::1')), fc.integer({ min: 0, max: 65535 }))
    .map(([text, port]) => ({ family: text.includes(':') ? (6 as const) : (4 as const), address: text, port }));
  fc.assert(
    fc.property(address, fc.uint8Array({ minLength: 12, maxLength: 12 }), (endpoint, id) => {
      const message = { ...binding('success', [xorAddressAttribute(endpoint, id)]), transactionId: id };
      assert.deepEqual(readMappedAddress(message), endpoint);
      const other = binding('success', [addressAttribute(ATTRIBUTE.OTHER_ADDRESS, endpoint)]);
      assert.deepEqual(readAddress(other, ATTRIBUTE.OTHER_ADDRESS), endpoint);
    }),
  );
  fc.assert(
    fc.property(fc.boolean(), fc.boolean(), (changeIp, changePort) => {
      const value = { changeIp, changePort };
      assert.deepEqual(readChangeRequest(binding('request', [changeRequestAttribute(value)])), value);
    }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 300, max: 699 }), (code) => {
      const value = { code, reason: 'Bad Request' };
      assert.deepEqual(readErrorCode(binding('error', [errorCodeAttribute(value)])), value);
    }),
  );
  const types = [0x0024, 0x7fff, 0];
  assert.deepEqual(readUnknownAttributes(binding('error', [unknownAttributesAttribute(types)])), types);
});

test('F7 MAPPED-ADDRESS counts where XOR-MAPPED-ADDRESS is absent, and so does the old type 0x8020', () => {
  const endpoint = { family: 4, address: '203.0.113.7', port: 40000 } as const;
  const other = { family: 4, address: '198.51.100.1', port: 1 } as const;
  const plain = addressAttribute(ATTRIBUTE.MAPPED_ADDRESS, endpoint);
  assert.deepEqual(readMappedAddress(binding('success', [plain])), endpoint);
  const xor = xorAddressAttribute(endpoint, ID);
  const old = { ...xor, type: ATTRIBUTE.XOR_MAPPED_ADDRESS_OLD };
  assert.deepEqual(readMappedAddress(binding('success', [old])), endpoint);
  const lying = addressAttribute(ATTRIBUTE.MAPPED_ADDRESS, other);
  assert.deepEqual(readMappedAddress(binding('success', [lying, xor])), endpoint);
  assert.equal(readMappedAddress(binding('success')), undefined);
});

test('an address of a wrong length or family is no address', () => {
  for (const value of [[], [0, 1, 0], [0, 1, 0, 1, 1, 2, 3], [0, 2, 0, 1, 1, 2, 3, 4], [0, 3, 0, 1, 1, 2, 3, 4]])
    for (const type of [ATTRIBUTE.MAPPED_ADDRESS, ATTRIBUTE.XOR_MAPPED_ADDRESS]) {
      const message = binding('success', [{ type, value: Uint8Array.from(value) }]);
      assert.equal(readMappedAddress(message), undefined, `${value}`);
    }
});

test("a stranger's text is shortened and freed of control characters", () => {
  const message = binding('error', [
    errorCodeAttribute({ code: 400, reason: `a\u001b[31m\n\u202eb${'x'.repeat(500)}` }),
    softwareAttribute('\0\0'),
  ]);
  const error = readErrorCode(message);
  assert.equal(error?.code, 400);
  assert.match(error?.reason ?? '', /^a \[31m bx+$/);
  assert.ok((error?.reason.length ?? 999) < 128);
  assert.equal(readSoftware(message), '');
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
