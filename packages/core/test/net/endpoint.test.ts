import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { contains, formatAddress, parseAddress, parsePrefix, refusedAddress } from '#src/net/address.js';
import { formatEndpoint, parseEndpoint } from '#src/net/endpoint.js';

test('parseEndpoint and formatEndpoint are inverses on canonical text', () => {
  for (const text of ['192.0.2.1:51820', '[2001:db8::1]:1', '[::ffff:192.0.2.1]:9', '[fe80::1%eth0]:51820', '[::]:0']) {
    const endpoint = parseEndpoint(text);
    assert.ok(endpoint, text);
    assert.equal(formatEndpoint(endpoint), text);
  }
});

test('parseEndpoint refuses names, missing or large ports, stray brackets and leading zeros', () => {
  for (const text of [
    '',
    'host:1',
    '192.0.2.1',
    '192.0.2.1:65536',
    '192.0.2.1:-1',
    '[192.0.2.1]:5',
    '2001:db8::1:5',
    '192.0.2.01:5',
    '192.0.2.1:5 ',
    '[::1%]:5',
  ])
    assert.equal(parseEndpoint(text), undefined, text);
});

test('addresses survive bytes to text to bytes, and print as RFC 5952 says', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      assert.deepEqual(parseAddress(formatAddress(bytes)), bytes);
    }),
  );
  const canonical: [string, string][] = [
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['1::', '1::'],
    ['::', '::'],
  ];
  for (const [text, want] of canonical) assert.equal(formatAddress(parseAddress(text) ?? new Uint8Array()), want);
});

test('F19 addresses that can never be an endpoint are named', () => {
  const cases: [string, string | undefined][] = [
    ['0.0.0.0', 'unspecified'],
    ['127.0.0.1', 'loopback'],
    ['239.1.1.1', 'multicast'],
    ['255.255.255.255', 'broadcast'],
    ['::', 'unspecified'],
    ['::1', 'loopback'],
    ['ff02::1', 'multicast'],
    ['::ffff:127.0.0.1', 'IPv4-mapped'],
    ['192.168.1.1', undefined],
    ['2001:db8::1', undefined],
  ];
  for (const [text, want] of cases) assert.equal(refusedAddress(parseAddress(text) ?? new Uint8Array()), want, text);
});

test('a prefix contains what shares its leading bits', () => {
  const prefix = parsePrefix('10.1.2.0/23');
  assert.ok(prefix);
  assert.equal(contains(prefix, parseAddress('10.1.3.255') ?? new Uint8Array()), true);
  assert.equal(contains(prefix, parseAddress('10.1.4.0') ?? new Uint8Array()), false);
  assert.equal(contains(prefix, parseAddress('::') ?? new Uint8Array()), false);
  assert.equal(parsePrefix('10.0.0.0/33'), undefined);
});
