/** What a kernel said of its WireGuard devices, as values; and bytes that are no answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KernelDevice, publicKeyBytes } from '@stunmesh/core/api';
import { BYTE_ORDER, decodeSockaddr, parseNetlink } from '@stunmesh/core/capture-kit';
import { Malformed } from '#src/wireguard/attributes.js';
import { createDeviceReader } from '#src/wireguard/device-reader.js';
import { DEVICE_WITH_THREE_PEERS, peerInTwoParts } from './answers.js';

const options = { skip: BYTE_ORDER === 'LE' ? false : 'the bytes here are those of a little-endian machine' };
const LINUX = { constants: { AF_INET: 2, AF_INET6: 10, SOCKADDR_HAS_LENGTH: 0 } };
const DONE = 3;

function read(answer: readonly Uint8Array[]): KernelDevice {
  const reader = createDeviceReader((sockaddr) => {
    const { scope, ...endpoint } = decodeSockaddr(LINUX, sockaddr) ?? assert.fail('no sockaddr');
    return scope === 0 ? endpoint : { ...endpoint, zone: String(scope) };
  });
  for (const { type, body } of answer.flatMap(parseNetlink)) if (type !== DONE) reader.add(body);
  return reader.finish();
}

const keyOf = (byte: number) => Buffer.alloc(32, byte).toString('base64');

test('a device with three peers, as Linux 6.1 tells it', options, () => {
  const device = read([DEVICE_WITH_THREE_PEERS]);
  assert.equal(device.listenPort, 51820);
  assert.equal(device.firewallMark, 0xca6c);
  // Curve25519 takes three bits off the first byte.
  assert.deepEqual(device.keys?.secretKey.expose(), Uint8Array.of(0x40, ...new Uint8Array(31).fill(0x41)));
  assert.deepEqual(publicKeyBytes(device.keys.publicKey).subarray(0, 4), Uint8Array.of(0x7a, 0x1a, 0x4e, 0x70));
  const nothing = { rxBytes: 0, txBytes: 0, keepaliveSeconds: 0, allowedIps: [] };
  assert.deepEqual(
    [...device.peers.values()],
    [
      {
        ...nothing,
        publicKey: keyOf(2),
        endpoint: { family: 4, address: '192.0.2.7', port: 4660 },
        keepaliveSeconds: 25,
        allowedIps: ['10.0.0.2/32', 'fd00::2/128', '192.168.4.0/22'],
      },
      { ...nothing, publicKey: keyOf(3), endpoint: { family: 6, address: 'fe80::1', port: 7, zone: '1' } },
      { ...nothing, publicKey: keyOf(4), endpoint: { family: 6, address: '2001:db8::9', port: 9 } },
    ],
  );
  assert.deepEqual(
    [...device.presharedKeys].map(([key, secret]) => [key, secret.expose()]),
    [[keyOf(2), new Uint8Array(32).fill(0x42)]],
  );
});

test('a peer whose allowed IPs fill a message goes on in the next one', options, () => {
  const parts = peerInTwoParts();
  assert.equal(parts.length, 2);
  const device = read(parts);
  const [first, second] = [...device.peers.values()];
  assert.equal(first?.allowedIps.length, 1500);
  assert.equal(first.allowedIps[0], '10.0.0.0/24');
  assert.equal(first.allowedIps.at(-1), '10.5.219.0/24');
  assert.deepEqual(second?.allowedIps, ['fd00::2/128']);
});

test('a handshake is told in milliseconds, and counters of more than 32 bits are whole', options, () => {
  const bytes = Uint8Array.from(DEVICE_WITH_THREE_PEERS);
  const at = (attribute: string) => Buffer.from(bytes).indexOf(Buffer.from(attribute, 'hex')) + 4;
  const view = new DataView(bytes.buffer);
  view.setBigUint64(at('14000600'), 1_790_000_000n, true);
  view.setBigUint64(at('14000600') + 8, 123_999_999n, true);
  view.setBigUint64(at('0c000700'), 2n ** 40n + 7n, true);
  view.setBigUint64(at('0c000800'), 5n, true);
  const [peer] = read([bytes]).peers.values();
  assert.equal(peer?.latestHandshakeAt, 1_790_000_000_123);
  assert.deepEqual([peer.rxBytes, peer.txBytes], [2 ** 40 + 7, 5]);
});

test('a device without key has none, and one of which nothing was told is no reading', options, () => {
  const bytes = Uint8Array.from(DEVICE_WITH_THREE_PEERS);
  const at = Buffer.from(bytes).indexOf(Buffer.from('24000300', 'hex')) + 4;
  bytes.fill(0, at, at + 32);
  assert.equal('keys' in read([bytes]), false);
  assert.throws(() => read([]), Malformed);
});

test(
  'what is cut off, has another length or names a peer twice is an error, and never a reading with less',
  options,
  () => {
    const whole = DEVICE_WITH_THREE_PEERS.subarray(16, 720);
    const reader = () => createDeviceReader(() => ({ family: 4, address: '192.0.2.1', port: 1 }));
    for (let length = 4; length < whole.length; length += 1) {
      try {
        reader().add(whole.slice(0, length));
        // Cut between two attributes of the device: they are whole, and what is missing is missed at the end.
        assert.ok(length < 160, `${length} bytes`);
      } catch (error) {
        assert.ok(error instanceof Malformed, `${length} bytes: ${error}`);
      }
    }
    const twice = reader();
    twice.add(whole);
    assert.throws(() => twice.add(whole), /comes twice/);
  },
);

test('whatever bytes stand in an answer, reading them ends, with a value or with Malformed', options, () => {
  let seed = 1;
  const random = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed / 2 ** 31;
  };
  for (let round = 0; round < 1000; round += 1) {
    const bytes = DEVICE_WITH_THREE_PEERS.slice(16, 720);
    for (let n = 0; n < 3; n += 1) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    try {
      const reader = createDeviceReader((sockaddr) => decodeSockaddr(LINUX, sockaddr));
      reader.add(bytes);
      reader.finish();
    } catch (error) {
      assert.ok(error instanceof Malformed, String(error));
    }
  }
});
