import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ATTRIBUTE,
  addressAttribute,
  changeRequestAttribute,
  errorCodeAttribute,
  readAddress,
  readChangeRequest,
  readErrorCode,
  readMappedAddress,
  readSoftware,
  readUnknownAttributes,
  softwareAttribute,
  unknownAttributesAttribute,
  xorAddressAttribute,
} from '#src/stun/attributes.js';
import type { MessageClass, StunMessage } from '#src/stun/message.js';

const ID = Uint8Array.from({ length: 12 }, (_, i) => i * 21);
const binding = (kind: MessageClass, attributes: StunMessage['attributes'] = []): StunMessage => ({
  class: kind,
  method: 1,
  transactionId: ID,
  attributes,
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
