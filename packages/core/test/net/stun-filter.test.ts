import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createStunFilter,
  DROP_ALL,
  isStunResponse,
  PACKET_LAYOUTS,
  type PacketLayoutName,
} from '#src/net/stun-filter.js';
import { runBpf } from '#src/testing/bpf-interpreter.js';
import { ip4, ip6, join, PORT, stun, udp, wireguard } from './packets.js';

const COOKIE = 0x2112a442;
const ETHERNET = new Array<number>(12).fill(2);

/** How each layout wraps a UDP datagram of either family; undefined: it never carries that family. */
const WRAP: Record<PacketLayoutName, { four?: (p: Uint8Array) => Uint8Array; six?: (p: Uint8Array) => Uint8Array }> = {
  'linux-raw4': { four: (p) => p },
  'linux-raw6': { six: (p) => p.subarray(40) },
  EN10MB: { four: (p) => join(ETHERNET, [8, 0], p), six: (p) => join(ETHERNET, [0x86, 0xdd], p) },
  NULL: { four: (p) => join([2, 0, 0, 0], p), six: (p) => join([28, 0, 0, 0], p) },
  LOOP: { four: (p) => join([0, 0, 0, 2], p), six: (p) => join([0, 0, 0, 24], p) },
  PPP: { four: (p) => join([0xff, 3, 0, 0x21], p), six: (p) => join([0xff, 3, 0, 0x57], p) },
  RAW: { four: (p) => p, six: (p) => p },
};

const layouts = Object.keys(PACKET_LAYOUTS) as PacketLayoutName[];
const kept = (name: PacketLayoutName, packet: Uint8Array) =>
  runBpf(createStunFilter(PACKET_LAYOUTS[name], PORT), packet);

/** UDP payloads, and whether the filter is to keep them. */
const PAYLOADS: readonly (readonly [string, Uint8Array, boolean])[] = [
  ['a binding success response', stun(0x0101, COOKIE, [0, 0x20, 0, 8, 0, 1, 1, 2, 3, 4, 5, 6]), true],
  ['a binding error response', stun(0x0111), true],
  ['a response of the bare header', stun(0x0101), true],
  ['a binding request', stun(0x0001), false],
  ['an indication', stun(0x0011), false],
  ['another method', stun(0x0103), false],
  ['another cookie', stun(0x0101, COOKIE + 1), false],
  ['top bits set (a TURN channel, RTP)', stun(0x4101), false],
  ['nothing', new Uint8Array(), false],
  ['seven bytes', stun(0x0101).subarray(0, 7), false],
  ['one zero byte (a punch)', new Uint8Array(1), false],
  ...[1, 2, 3, 4].flatMap((type): [string, Uint8Array, boolean][] => [
    [`WireGuard message ${type}`, wireguard(type, 0xdeadbeef), false],
    [`WireGuard message ${type} whose index equals the cookie`, wireguard(type, COOKIE), false],
  ]),
];

for (const name of layouts)
  test(`F3 on ${name} the filter keeps STUN responses to the port, and nothing of WireGuard`, () => {
    const { four, six } = WRAP[name];
    for (const [what, payload, keep] of PAYLOADS) {
      if (four) assert.equal(kept(name, four(ip4(udp(payload)))) > 0, keep, `IPv4: ${what}`);
      if (six) assert.equal(kept(name, six(ip6(udp(payload)))) > 0, keep, `IPv6: ${what}`);
      assert.equal(isStunResponse(payload), keep, `in user code: ${what}`);
    }
  });

for (const name of layouts)
  test(`F3 on ${name} the filter reads the header length, and drops fragments, other ports and other protocols`, () => {
    const { four, six } = WRAP[name];
    const good = udp(stun(0x0101));
    const at = (packet: Uint8Array) => kept(name, packet);
    if (four) {
      for (let options = 0; options <= 40; options += 4)
        assert.ok(at(four(ip4(good, { options }))) > 0, `${options} bytes`);
      assert.ok(at(four(ip4(good, { fragment: 0x4000 }))) > 0, "don't fragment is no fragment");
      assert.equal(at(four(ip4(good, { fragment: 0x2000 }))), 0, 'more fragments');
      assert.equal(at(four(ip4(good, { fragment: 185 }))), 0, 'a later fragment');
      assert.equal(at(four(ip4(good, { protocol: 6 }))), 0, 'TCP');
      assert.equal(at(four(ip4(good, { protocol: 136 }))), 0, 'UDP-Lite');
      assert.equal(at(four(ip4(udp(stun(0x0101), PORT + 1)))), 0, 'another port');
      // With a fixed header length the options would be read as UDP.
      const disguised = ip4(udp(new Uint8Array(20), 9), { options: 20 });
      disguised.set(good.subarray(0, 20), 20);
      assert.equal(at(four(disguised)), 0, 'options that look like UDP');
    }
    if (six) {
      assert.equal(at(six(ip6(udp(stun(0x0101), PORT + 1)))), 0, 'another port');
      if (name !== 'linux-raw6') {
        assert.equal(at(six(ip6(good, 6))), 0, 'TCP');
        assert.equal(at(six(ip6(join([17, 0, 0, 1, 0, 0, 0, 1], good), 44))), 0, 'a fragment');
      }
    }
  });

for (const name of layouts)
  test(`F3 on ${name} every shorter piece of a good packet is dropped or whole up to the cookie`, () => {
    const { four, six } = WRAP[name];
    for (const packet of [four?.(ip4(udp(stun(0x0101)))), six?.(ip6(udp(stun(0x0101))))]) {
      if (!packet) continue;
      for (let length = 0; length < packet.length; length += 1)
        assert.equal(kept(name, packet.subarray(0, length)) > 0, length >= packet.length - 12, `${length} bytes`);
    }
  });

test('F3 link layers with other protocols are dropped', () => {
  const good = ip4(udp(stun(0x0101)));
  assert.equal(kept('EN10MB', join(ETHERNET, [8, 6], good)), 0, 'ARP');
  assert.equal(kept('EN10MB', join(ETHERNET, [0x81, 0, 0, 5, 8, 0], good)), 0, 'a VLAN tag');
  assert.equal(kept('RAW', join([0x55], good.subarray(1))), 0, 'IP version 5');
  for (const version of [0, 1, 2, 3, 5, 7, 8, 12, 14, 15])
    assert.equal(kept('NULL', join([2, 0, 0, 0, (version << 4) | 5], good.subarray(1))), 0, `IP version ${version}`);
});

test('F3 random bytes never upset a program, and hardly ever pass it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.constantFrom(...layouts), (bytes, name) => {
      assert.equal(kept(name, bytes), 0);
    }),
    { numRuns: 2000 },
  );
});

test('F4 the drop-all program drops all', () => {
  assert.equal(runBpf(DROP_ALL, ip4(udp(stun(0x0101)))), 0);
});
