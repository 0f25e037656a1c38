import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAddress } from '#src/net/address.js';
import { internetChecksum, onesSum, pseudoHeaderSum, udpChecksum } from '#src/net/checksum.js';
import { encodeEcho, parseEcho } from '#src/net/icmp.js';
import { encodeUdp, parseIpv4, parseUdp } from '#src/net/udp.js';
import { ip4, udp } from './packets.js';

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

test('the checksum is that of RFC 1071 section 3, and of a real IPv4 header', () => {
  assert.equal(onesSum(bytes('0001 f203 f4f5 f6f7')), 0xddf2);
  assert.equal(internetChecksum(bytes('4500 0073 0000 4000 4011 0000 c0a8 0001 c0a8 00c7')), 0xb861);
  assert.equal(internetChecksum(bytes('4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7')), 0);
  assert.equal(internetChecksum(Uint8Array.of(1)), internetChecksum(Uint8Array.of(1, 0)), 'an odd byte is padded');
});

test('F6 a UDP datagram with its checksum sums to zero with its pseudo header, and the checksum is never 0', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 99 }), fc.boolean(), fc.nat(0xffff), (payload, six, port) => {
      const [source, destination] = six ? ['2001:db8::1', 'fd00::7'] : ['192.0.2.1', '198.51.100.7'];
      const plain = encodeUdp({ sourcePort: port, destinationPort: 3478, checksum: 0, payload });
      const checksum = udpChecksum(plain, source, destination);
      assert.notEqual(checksum, 0);
      const whole = encodeUdp({ sourcePort: port, destinationPort: 3478, checksum, payload });
      const [from, to] = [parseAddress(source) ?? plain, parseAddress(destination) ?? plain];
      assert.equal(internetChecksum(whole, pseudoHeaderSum(from, to, 17, whole.length)), 0);
    }),
  );
  // A datagram that sums to 0xffff: its checksum would be 0, which means "none", so 0xffff stands for it.
  const words = encodeUdp({ sourcePort: 0, destinationPort: 0, checksum: 0, payload: new Uint8Array(2) });
  const missing = internetChecksum(words, pseudoHeaderSum(bytes('c0000201'), bytes('c6336407'), 17, words.length));
  const zero = encodeUdp({
    sourcePort: 0,
    destinationPort: 0,
    checksum: 0,
    payload: Uint8Array.of(missing >> 8, missing),
  });
  assert.equal(udpChecksum(zero, '192.0.2.1', '198.51.100.7'), 0xffff);
  assert.throws(() => udpChecksum(words, '192.0.2.1', '::1'), RangeError);
});

test('IPv4 headers: options are skipped, trailing bytes cut, fragments and broken lengths refused', () => {
  const datagram = udp(Uint8Array.of(1, 2, 3));
  for (const options of [0, 4, 40]) {
    const found = parseIpv4(ip4(datagram, { options }));
    assert.deepEqual(found, { source: '192.0.2.1', destination: '198.51.100.7', protocol: 17, payload: datagram });
  }
  const padded = new Uint8Array(60);
  padded.set(ip4(datagram));
  assert.deepEqual(parseIpv4(padded)?.payload, datagram, "an Ethernet frame's padding");
  assert.equal(parseIpv4(ip4(datagram, { fragment: 0x2000 })), undefined);
  assert.equal(parseIpv4(ip4(datagram, { fragment: 1 })), undefined);
  assert.equal(parseIpv4(ip4(datagram).subarray(0, 30)), undefined);
  assert.equal(parseIpv4(Uint8Array.of(0x45)), undefined);
  assert.equal(parseIpv4(new Uint8Array()), undefined);
  const short = ip4(datagram);
  short[0] = 0x44;
  assert.equal(parseIpv4(short), undefined, 'a header of 16 bytes');
  short[0] = 0x65;
  assert.equal(parseIpv4(short), undefined, 'version 6');
});

test('UDP headers: encode and parse are inverses; the length field rules', () => {
  fc.assert(
    fc.property(
      fc.nat(65535),
      fc.nat(65535),
      fc.nat(65535),
      fc.uint8Array(),
      (sourcePort, destinationPort, checksum, payload) => {
        const datagram = { sourcePort, destinationPort, checksum, payload };
        assert.deepEqual(parseUdp(encodeUdp(datagram)), datagram);
      },
    ),
  );
  const cut = udp(new Uint8Array(9));
  assert.equal(parseUdp(cut.subarray(0, 16)), undefined);
  assert.equal(parseUdp(cut.subarray(0, 7)), undefined);
  cut[5] = 7;
  assert.equal(parseUdp(cut), undefined, 'a length below the header');
  cut[5] = 9;
  assert.equal(parseUdp(cut)?.payload.length, 1);
  assert.throws(
    () => encodeUdp({ sourcePort: 65536, destinationPort: 1, checksum: 0, payload: new Uint8Array() }),
    RangeError,
  );
  assert.throws(
    () => encodeUdp({ sourcePort: 1, destinationPort: 1, checksum: 0, payload: new Uint8Array(65528) }),
    RangeError,
  );
});

test('parsing never throws, whatever arrives', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (noise) => {
      parseIpv4(noise);
      parseUdp(noise);
      parseEcho(4, noise);
      parseEcho(6, noise);
    }),
  );
});

test('F28 echo messages of both families: encode and parse are inverses, and damage is seen', () => {
  for (const family of [4, 6] as const)
    for (const kind of ['request', 'reply'] as const) {
      const echo = { kind, id: 0xbeef, sequence: 0x1234, payload: Uint8Array.of(9, 8, 7) };
      const wire = encodeEcho(family, echo);
      assert.deepEqual(parseEcho(family, wire), echo);
      assert.equal(parseEcho(family === 4 ? 6 : 4, wire), undefined, 'the other family');
      assert.equal(parseEcho(family, wire.subarray(0, 7)), undefined);
      wire[1] = 1;
      assert.equal(parseEcho(family, wire), undefined, 'a code');
    }
  const damaged = encodeEcho(4, { kind: 'reply', id: 1, sequence: 1, payload: Uint8Array.of(1) });
  damaged[8] = 2;
  assert.equal(parseEcho(4, damaged), undefined, 'the checksum is wrong');
  // By hand: 0x0800 + 1 + 1 + 0x6162 + 0x6364 = 0xccc8, whose complement is 0x3337.
  const wire = encodeEcho(4, { kind: 'request', id: 1, sequence: 1, payload: Buffer.from('abcd') });
  assert.equal(Buffer.from(wire).toString('hex'), '080033370001000161626364');
});
