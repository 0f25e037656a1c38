/** Netlink messages and socket addresses as bytes, with no kernel in between. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addressDumpRequest,
  linkDumpRequest,
  MESSAGE,
  netlinkErrno,
  parseAddressMessage,
  parseLink,
  parseNetlink,
  parseRoute,
  routeRequest,
} from '#src/capture-kit/netlink-messages.js';
import { BYTE_ORDER, decodeSockaddr, int32 } from '#src/capture-kit/sockaddr.js';

const options = { skip: BYTE_ORDER === 'LE' ? false : 'the bytes here are those of a little-endian machine' };
const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'));
const hex = (data: Uint8Array) => Buffer.from(data).toString('hex');

test('requests are laid out as netlink(7) and rtnetlink(7) say', options, () => {
  assert.equal(hex(addressDumpRequest()), '180000001600010300000000000000000000000000000000');
  assert.equal(hex(linkDumpRequest()), `28000000120001030000000000000000${'00'.repeat(16)}08001d0008000000`);
  assert.equal(
    hex(routeRequest(Uint8Array.of(192, 0, 2, 1), 0xca6c, 7)),
    '340000001a0001000000000000000000' +
      '0220' +
      '00'.repeat(10) +
      '08000100c0000201' +
      '080010006cca0000' +
      '0800040007000000',
  );
});

test('messages in one read are taken apart by their aligned lengths', options, () => {
  const read = bytes('12000000 1000 0000 00000000 00000000 aabb 0000  10000000 0300 0000 00000000 00000000');
  assert.deepEqual(parseNetlink(read), [
    { type: 16, flags: 0, body: bytes('aabb') },
    { type: MESSAGE.done, flags: 0, body: new Uint8Array() },
  ]);
  assert.deepEqual(parseNetlink(read.subarray(0, 17)), [], 'cut off');
  assert.equal(netlinkErrno(bytes('9bffffff')), 101);
});

test('links, addresses and routes are read; bridge ports and strange families are not', options, () => {
  const link = bytes('00 00 0100 03000000 43100100 00000000  0900 0300 65746830 00 000000');
  assert.deepEqual(parseLink(link), { index: 3, name: 'eth0', flags: 0x11043, up: true, loopback: false });
  link[0] = 7;
  assert.equal(parseLink(link), undefined);
  const address = bytes('02 18 80 00 03000000  0800 0100 c0000202  0800 0200 c0000201');
  assert.deepEqual(parseAddressMessage(address), { index: 3, family: 4, address: '192.0.2.1', prefixLength: 24 });
  address[0] = 0x11;
  assert.equal(parseAddressMessage(address), undefined);
  const route = bytes('02 20 00 00 fe 00 00 01 00000000  0800 0400 03000000  0800 0700 c0000201');
  assert.deepEqual(parseRoute(route), { outInterface: 3, source: '192.0.2.1' });
  const by = bytes('02 20 00 00 fe 00 00 01 00000000  0800 0500 c00002fe  0800 0400 03000000');
  assert.deepEqual(parseRoute(by), { outInterface: 3, gateway: '192.0.2.254' });
});

test('whatever arrives, parsing neither throws nor hangs', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      for (const { body } of parseNetlink(noise)) netlinkErrno(body);
      parseLink(noise);
      parseAddressMessage(noise);
      parseRoute(noise);
      decodeSockaddr({ constants: { AF_INET: 2, AF_INET6: 10, SOCKADDR_HAS_LENGTH: 0 } }, noise);
    }),
    { numRuns: 3000 },
  );
  // With plausible heads, so that attributes are reached.
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.constantFrom(0, 2, 10), (noise, family) => {
      const data = Uint8Array.from([family, ...noise]);
      parseLink(data);
      parseAddressMessage(data);
      parseRoute(data);
    }),
    { numRuns: 3000 },
  );
});

test('an int option holds 32 bits in the byte order of the machine', options, () => {
  assert.equal(hex(int32(0xca6c0001)), '01006cca');
  assert.equal(hex(int32(-2)), 'feffffff');
});
