import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '#src/net/index.js';
import { formatPcpAnnounce, formatPcpMap, parsePcpAnswer } from '#src/portmap/codec/pcp.js';

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
const address = (text: string) => parseAddress(text) ?? assert.fail(text);
const NONCE = hex('000102030405060708090a0b');

test('RFC 6887: a MAP request for UDP, the client as an IPv4-mapped address', () => {
  const bytes = formatPcpMap({
    client: address('192.168.1.2'),
    nonce: NONCE,
    internalPort: 51820,
    externalPort: 20001,
    lifetimeSeconds: 7200,
  });
  assert.deepEqual(
    bytes,
    hex(`02 01 0000 00001c20 00000000000000000000ffffc0a80102
      000102030405060708090a0b 11 000000 ca6c 4e21 00000000000000000000ffff00000000`),
  );
});

test('RFC 6887: an IPv6 client asks for an IPv6 pinhole, and ANNOUNCE is a bare header', () => {
  const client = address('2001:db8::2');
  const map = formatPcpMap({ client, nonce: NONCE, internalPort: 1, externalPort: 0, lifetimeSeconds: 0 });
  assert.deepEqual(map.subarray(8, 24), client);
  assert.deepEqual(map.subarray(44), new Uint8Array(16));
  assert.deepEqual(formatPcpAnnounce(client), Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, ...client));
});

const MAPPED = `02 81 00 00 00000e10 0000007b 000000000000000000000000
  000102030405060708090a0b 11 000000 ca6c 4e21 00000000000000000000ffffcb00710b`;

test('RFC 6887: answers to MAP and ANNOUNCE, options passed over', () => {
  const expected = {
    kind: 'map',
    result: 'success',
    lifetimeSeconds: 3600,
    epochSeconds: 123,
    nonce: NONCE,
    internalPort: 51820,
    externalPort: 20001,
    externalAddress: '203.0.113.11',
  };
  assert.deepEqual(parsePcpAnswer(hex(MAPPED)), expected);
  assert.deepEqual(parsePcpAnswer(hex(`${MAPPED} 02 00 0004 00000000`)), expected);
  assert.deepEqual(parsePcpAnswer(hex('02 80 00 00 00000000 0000007b 000000000000000000000000')), {
    kind: 'announce',
    result: 'success',
    lifetimeSeconds: 0,
    epochSeconds: 123,
  });
});

test('RFC 6887: refusals keep their reason, also one that is not known', () => {
  const result = (code: string) => {
    const answer = parsePcpAnswer(hex(MAPPED.replace('02 81 00 00', `02 81 00 ${code}`)));
    return answer && 'result' in answer ? answer.result : answer?.kind;
  };
  const results = ['02', '07', '08', '0b', '0c', 'ff'].map(result);
  assert.deepEqual(results, [
    'not-authorized',
    'network-failure',
    'no-resources',
    'cannot-provide-external',
    'address-mismatch',
    'unknown',
  ]);
});

test('a router of another version, or of NAT-PMP alone, is told from one that is damaged', () => {
  for (const text of [
    '00 81 0001 00000007',
    '02 81 00 01 00000000 0000007b 000000000000000000000000',
    '01 81 00 01 00000000',
  ])
    assert.deepEqual(parsePcpAnswer(hex(text)), { kind: 'other-version' }, text);
  const damaged = [
    '',
    '00 81 0000 00000007', // success of NAT-PMP
    '00 01 0001 00000007', // no answer
    MAPPED.slice(0, -8), // cut
    MAPPED.replace('02 81', '02 01'), // a request
    MAPPED.replace('11 000000', '06 000000'), // TCP
    `${MAPPED} 00`, // no multiple of four
    `${MAPPED} ${'00'.repeat(1044)}`, // too long
  ];
  for (const text of damaged) assert.equal(parsePcpAnswer(hex(text)), undefined, text);
});
