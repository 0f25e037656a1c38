import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatNatPmpAddress, formatNatPmpMap, parseNatPmpAnswer } from '#src/portmap/codec/nat-pmp.js';

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));

test('RFC 6886: requests, and a release that names no external port', () => {
  assert.deepEqual(formatNatPmpAddress(), hex('0000'));
  const request = { internalPort: 51820, externalPort: 20001, lifetimeSeconds: 7200 };
  assert.deepEqual(formatNatPmpMap(request), hex('00 01 0000 ca6c 4e21 00001c20'));
  assert.deepEqual(formatNatPmpMap({ ...request, lifetimeSeconds: 0 }), hex('00 01 0000 ca6c 0000 00000000'));
});

test('RFC 6886: answers', () => {
  assert.deepEqual(parseNatPmpAnswer(hex('00 80 0000 0000007b cb00710b')), {
    kind: 'address',
    result: 'success',
    epochSeconds: 123,
    externalAddress: '203.0.113.11',
  });
  assert.deepEqual(parseNatPmpAnswer(hex('00 81 0000 0000007b ca6c 4e21 00000e10')), {
    kind: 'map',
    result: 'success',
    epochSeconds: 123,
    internalPort: 51820,
    externalPort: 20001,
    lifetimeSeconds: 3600,
  });
  assert.deepEqual(parseNatPmpAnswer(hex('00 81 0002 0000007b')), {
    kind: 'error',
    of: 'map',
    result: 'not-authorized',
    epochSeconds: 123,
  });
});

test('what is no answer of NAT-PMP is nothing', () => {
  const wrong = [
    '',
    '00 80 0000',
    '00 80 0000 0000007b', // success without an address
    '00 80 0000 0000007b cb00710b 00', // longer
    '00 81 0000 0000007b ca6c 4e21', // cut
    '00 82 0000 0000007b ca6c 4e21 00000e10', // TCP
    '00 01 0000 0000007b ca6c 4e21 00000e10', // a request
    '02 81 0000 0000007b ca6c 4e21 00000e10', // PCP
  ];
  for (const text of wrong) assert.equal(parseNatPmpAnswer(hex(text)), undefined, text);
});
