/** Requests to WireGuard's family, byte by byte. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, type PeerWrite, parsePublicKey, SecretKey } from '@stunmesh/core/api';
import { BYTE_ORDER, encodeSockaddr, parseAttributes } from '@stunmesh/core/capture-kit';
import { deviceRequest, familyRequest, writeRequests } from '#src/wireguard/requests.js';

const options = { skip: BYTE_ORDER === 'LE' ? false : 'the bytes here are those of a little-endian machine' };
const LINUX = { constants: { AF_INET: 2, AF_INET6: 10, SOCKADDR_HAS_LENGTH: 0 } };
const sockaddrs = {
  AF_INET: 2,
  AF_INET6: 10,
  encode: ({ address, port }: { address: string; port: number }) => encodeSockaddr(LINUX, address, port),
};
const FAMILY = 32;
const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('hex');
/** Hexadecimal digits, spaces between them taken out. */
const bytes = (digits: string) => digits.replaceAll(' ', '');
const keyOf = (byte: number) => parsePublicKey(Buffer.alloc(32, byte).toString('base64')) ?? assert.fail();
const requests = (writes: readonly PeerWrite[]) => [...writeRequests(FAMILY, 'wg0', writes, sockaddrs)];

test('asking for the family and for a device is laid out as genetlink.h and wireguard.h say', options, () => {
  assert.equal(
    hex(familyRequest()),
    bytes('24000000 1000 0100 00000000 00000000 03010000 0e00 0200 77697265677561726400 0000'),
  );
  assert.equal(
    hex(deviceRequest(FAMILY, 'wg0')),
    bytes('1c000000 2000 0103 00000000 00000000 00010000 0800 0200 77673000'),
  );
});

test('F17 an endpoint is set with the flag that never creates a peer', options, () => {
  const [request, ...more] = requests([
    { publicKey: keyOf(2), updateOnly: true, endpoint: { family: 4, address: '192.0.2.7', port: 4660 } },
  ]);
  assert.deepEqual(more, []);
  const head = bytes('64000000 2000 0500 00000000 00000000 01010000 0800 0200 77673000');
  const attributes = `24000100${'02'.repeat(32)} 0800 0300 04000000 1400 0400 0200 1234 c0000207 0000000000000000`;
  assert.equal(hex(request), head + bytes(`4800 0880 4400 0080 ${attributes}`));
});

test('F18b removing and adding a peer is one message, with all that it has', options, () => {
  const publicKey = keyOf(2);
  const presharedKey = new SecretKey(new Uint8Array(32).fill(0x42));
  const endpoint = { family: 6, address: '2001:db8::9', port: 9 } as const;
  const [request, ...more] = requests([
    { publicKey, remove: true },
    { publicKey, presharedKey, endpoint, keepaliveSeconds: 25, allowedIps: ['10.0.0.2/32', 'fd00::2/128'] },
  ]);
  assert.deepEqual(more, []);
  assert.ok(request);
  assert.equal(new DataView(request.buffer).getUint32(0, true), request.length);
  const peers = parseAttributes(request, 20).get(8) ?? assert.fail('no peers');
  const removal = peers.subarray(4, 4 + 36 + 8);
  assert.equal(hex(parseAttributes(removal, 0).get(3)), '01000000');
  const added = parseAttributes(peers.subarray(4 + 44 + 4), 0);
  assert.deepEqual(
    [...added.keys()].map((type) => [type, hex(added.get(type))]),
    [
      [1, '02'.repeat(32)],
      [3, '02000000'],
      [2, '42'.repeat(32)],
      [4, bytes('0a00 0009 00000000 20010db8000000000000000000000009 00000000')],
      [5, '1900'],
      [
        9,
        bytes('1c00 0080 0600 0100 0200 0000 0800 0200 0a000002 0500 0300 20000000') +
          bytes('2800 0080 0600 0100 0a00 0000 1400 0200 fd000000000000000000000000000002 0500 0300 80000000'),
      ],
    ],
  );
});

test('many peers go in several messages, and those of one peer stay together', options, () => {
  const whole = Array.from({ length: 200 }, (_, i) => `fd00::${i.toString(16)}/128`);
  const pairs = Array.from({ length: 9 }, (_, i): readonly PeerWrite[] => [
    { publicKey: keyOf(i + 1), remove: true },
    { publicKey: keyOf(i + 1), allowedIps: whole },
  ]);
  const messages = requests(pairs.flat());
  assert.equal(messages.length, 3);
  for (const message of messages) {
    assert.ok(message.length <= 0x7100, `${message.length} bytes`);
    // Each peer's key stands in its message twice: removed and added.
    for (let i = 1; i <= 9; i += 1) {
      const key = Buffer.alloc(32, i);
      const count = Buffer.from(message).toString('latin1').split(key.toString('latin1')).length - 1;
      assert.ok(count === 0 || count === 2);
    }
  }
});

test('a peer that no message can hold is refused, and nothing is sent of it', options, () => {
  const allowedIps = Array.from({ length: 1700 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
  assert.throws(
    () => requests([{ publicKey: keyOf(2), allowedIps }]),
    (error: unknown) => hasCode(error, 'ERR_WG_FAILED') && /no longer one message/.test(String(error)),
  );
});
