import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeSockaddr, encodeSockaddr } from '#src/capture-kit/sockaddr.js';

const FREEBSD = { AF_INET: 2, AF_INET6: 28, SOCKADDR_HAS_LENGTH: 1 };
const MACOS = { ...FREEBSD, AF_INET6: 30 };
const LINUX = { ...FREEBSD, AF_INET6: 10, SOCKADDR_HAS_LENGTH: 0 };
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('on the BSDs a sockaddr begins with its length and the family in a byte each', () => {
  assert.equal(hex(encodeSockaddr({ constants: FREEBSD }, '192.0.2.1', 3478)), '10020d96c00002010000000000000000');
  const six = '0d960000000020010db8000000000000000000000001';
  assert.equal(hex(encodeSockaddr({ constants: FREEBSD }, '2001:db8::1', 3478)), `1c1c${six}00000000`);
  assert.equal(hex(encodeSockaddr({ constants: MACOS }, '2001:db8::1', 3478)), `1c1e${six}00000000`);
  assert.equal(hex(encodeSockaddr({ constants: LINUX }, '192.0.2.1', 3478)), '02000d96c00002010000000000000000');
});

test('what was encoded is decoded, on each system', () => {
  for (const constants of [FREEBSD, MACOS, LINUX]) {
    assert.deepEqual(decodeSockaddr({ constants }, encodeSockaddr({ constants }, '192.0.2.1', 9)), {
      family: 4,
      address: '192.0.2.1',
      port: 9,
      scope: 0,
    });
    assert.deepEqual(decodeSockaddr({ constants }, encodeSockaddr({ constants }, 'fe80::1', 9, 3)), {
      family: 6,
      address: 'fe80::1',
      port: 9,
      scope: 3,
    });
  }
});

test('a link-local address with its interface inside is taken apart on the BSDs, and left alone on Linux', () => {
  const decode = (constants: typeof FREEBSD) =>
    decodeSockaddr({ constants }, encodeSockaddr({ constants }, 'fe80:4::1', 0));
  assert.deepEqual(decode(FREEBSD), { family: 6, address: 'fe80::1', port: 0, scope: 4 });
  assert.equal(decode(LINUX)?.address, 'fe80:4::1');
});

test('other families and pieces are nothing, text that is no address is refused', () => {
  const link = Uint8Array.of(20, 18, ...new Array<number>(18).fill(0));
  assert.equal(decodeSockaddr({ constants: FREEBSD }, link), undefined);
  for (const text of ['192.0.2.1', '2001:db8::1'])
    for (const length of [0, 1, 7])
      assert.equal(
        decodeSockaddr({ constants: FREEBSD }, encodeSockaddr({ constants: FREEBSD }, text, 1).subarray(0, length)),
        undefined,
      );
  assert.throws(() => encodeSockaddr({ constants: FREEBSD }, 'em0', 1), RangeError);
});
