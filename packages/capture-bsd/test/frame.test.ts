import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type LinkType, linkTypeOf, parseFrame } from '#src/frame.js';
import { ethernet, ip4, ip6, join, PORT, stun, udp } from './frames.js';

const GOOD = udp(stun());
const FOUR = { address: '198.51.100.7', to: '192.0.2.1' } as const;
const SIX = { address: '2001:db8::7', to: '2001:db8::1' } as const;

/** How each link type wraps a packet; several where there are several ways. */
const WRAPS: Record<LinkType, { four: ((p: Uint8Array) => Uint8Array)[]; six: ((p: Uint8Array) => Uint8Array)[] }> = {
  EN10MB: {
    four: [
      (p) => ethernet(p),
      (p) => ethernet(p, [0x81, 0, 0x20, 5]),
      (p) => ethernet(p, [0x88, 0xa8, 0, 9, 0x81, 0, 0, 5]),
    ],
    six: [(p) => ethernet(p), (p) => ethernet(p, [0x81, 0, 0, 5])],
  },
  NULL: {
    four: [(p) => join([2, 0, 0, 0], p)],
    six: [24, 28, 30, 10].map((family) => (p) => join([family, 0, 0, 0], p)),
  },
  LOOP: { four: [(p) => join([0, 0, 0, 2], p)], six: [24, 28, 30].map((family) => (p) => join([0, 0, 0, family], p)) },
  RAW: { four: [(p) => p], six: [(p) => p] },
  PPP: {
    four: [(p) => join([0xff, 3, 0, 0x21], p), (p) => join([0, 0x21], p)],
    six: [(p) => join([0xff, 3, 0, 0x57], p), (p) => join([0, 0x57], p)],
  },
  LINUX_SLL: {
    four: [(p) => join([0, 0, 0, 1, 0, 6, ...new Array<number>(8).fill(3), 8, 0], p)],
    six: [(p) => join([0, 0, 0, 1, 0, 6, ...new Array<number>(8).fill(3), 0x86, 0xdd], p)],
  },
  LINUX_SLL2: {
    four: [(p) => join([8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, ...new Array<number>(8).fill(3)], p)],
    six: [(p) => join([0x86, 0xdd, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, ...new Array<number>(8).fill(3)], p)],
  },
};
const linkTypes = Object.keys(WRAPS) as LinkType[];
const parse = (linkType: LinkType, frame: Uint8Array) => parseFrame(linkType, frame, 'LE');

for (const linkType of linkTypes)
  test(`F10 ${linkType}: addresses, ports and payload of both families, whatever stands before them`, () => {
    for (const [family, wraps, packet, { address, to }] of [
      [4, WRAPS[linkType].four, ip4(GOOD), FOUR],
      [4, WRAPS[linkType].four, ip4(GOOD, { options: 12 }), FOUR],
      [6, WRAPS[linkType].six, ip6(GOOD), SIX],
    ] as const)
      for (const wrap of wraps)
        assert.deepEqual(parse(linkType, wrap(packet)), {
          from: { family, address, port: 3478 },
          to: { family, address: to, port: PORT },
          payload: stun(),
        });
  });

for (const linkType of linkTypes)
  test(`${linkType}: fragments, other protocols and pieces of a packet are nothing`, () => {
    const { four, six } = WRAPS[linkType];
    for (const wrap of four) {
      for (const packet of [ip4(GOOD, { fragment: 0x2000 }), ip4(GOOD, { fragment: 185 }), ip4(GOOD, { protocol: 6 })])
        assert.equal(parse(linkType, wrap(packet)), undefined);
      assert.ok(parse(linkType, wrap(ip4(GOOD, { fragment: 0x4000 }))), "don't fragment is no fragment");
      const whole = wrap(ip4(udp(new Uint8Array(40))));
      for (let length = 0; length < whole.length; length += 1)
        assert.equal(parse(linkType, whole.subarray(0, length)), undefined, `${length} bytes`);
    }
    for (const wrap of six)
      for (const packet of [ip6(GOOD, 6), ip6(join([17, 0, 0, 1, 0, 0, 0, 1], GOOD), 44), ip6(GOOD).subarray(0, 60)])
        assert.equal(parse(linkType, wrap(packet)), undefined);
  });

test('F10 NULL has the family in the byte order of the host, LOOP in that of the network', () => {
  const big = (family: number) => join([0, 0, 0, family], ip6(GOOD));
  assert.equal(parseFrame('NULL', big(28), 'LE'), undefined);
  assert.equal(parseFrame('NULL', big(28), 'BE')?.from.family, 6);
  for (const order of ['LE', 'BE'] as const) assert.equal(parseFrame('LOOP', big(28), order)?.from.family, 6);
  assert.equal(parseFrame('LOOP', join([28, 0, 0, 0], ip6(GOOD)), 'LE'), undefined);
  assert.equal(parse('NULL', join([7, 0, 0, 0], ip4(GOOD))), undefined, 'a family that is neither');
});

test('a header that contradicts its link layer is nothing', () => {
  assert.equal(parse('EN10MB', join(new Array<number>(12).fill(2), [0x86, 0xdd], ip4(GOOD))), undefined);
  assert.equal(parse('EN10MB', join(new Array<number>(12).fill(2), [8, 0], ip6(GOOD))), undefined);
  assert.equal(parse('EN10MB', join(new Array<number>(12).fill(2), [8, 6], ip4(GOOD))), undefined, 'ARP');
  assert.equal(parse('RAW', join([0x55], ip4(GOOD).subarray(1))), undefined, 'IP version 5');
});

test('DLT numbers have the names that filters go by; others have none', () => {
  assert.deepEqual([0, 1, 9, 12, 101, 108, 113, 276].map(linkTypeOf), [
    'NULL',
    'EN10MB',
    'PPP',
    'RAW',
    'RAW',
    'LOOP',
    'LINUX_SLL',
    'LINUX_SLL2',
  ]);
  assert.equal(linkTypeOf(105), undefined, '802.11');
});

test('random bytes never upset it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.constantFrom(...linkTypes), (bytes, linkType) => {
      parse(linkType, bytes);
    }),
    { numRuns: 3000 },
  );
});
