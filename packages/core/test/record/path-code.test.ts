import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Endpoint } from '#src/api/index.js';
import { createEndpoint } from '#src/net/index.js';
import { formatRecord, parseRecord, sealedLength } from '#src/record/endpoint-record.js';
import {
  acknowledgementOf,
  type FurtherCandidates,
  formatPathCode,
  newerGeneration,
  type PathCode,
  type PortAllocation,
  parsePathCode,
  writtenAfter,
} from '#src/record/path-code.js';

interface Vectors {
  readonly codes: readonly { readonly code: PathCode; readonly text: string }[];
  readonly readings: readonly {
    readonly what: string;
    readonly text: string;
    readonly candidates: FurtherCandidates | null;
  }[];
}
const vectors = JSON.parse(
  readFileSync(new URL('../../../../test/fixtures/paths/path-codes.json', import.meta.url), 'utf8'),
) as Vectors;

const LONGEST_IPV4: Endpoint = { family: 4, address: '255.255.255.254', port: 65535 };
const LONGEST_IPV6: Endpoint = { family: 6, address: '2001:db80:1111:2222:3333:4444:5555:6666', port: 65535 };
const { code: bare } = vectors.codes[0] ?? assert.fail('no vectors');
const { code: full } = vectors.codes[2] ?? assert.fail('no vectors');

test('every golden member is written and read as it stands', () => {
  for (const { code, text } of vectors.codes) {
    assert.deepEqual(formatPathCode(code), { text, omitted: [] });
    assert.deepEqual(parsePathCode(text), code);
  }
});

test('a reader takes what it does not know as the golden readings say', () => {
  for (const { what, text, candidates } of vectors.readings)
    assert.deepEqual(parsePathCode(text)?.candidates, candidates ?? undefined, what);
  const future = parsePathCode(vectors.readings.find(({ what }) => /values/.test(what))?.text ?? '');
  assert.deepEqual([future?.mapping4, future?.allocation], ['unknown', 'unknown']);
  for (const text of ['', '====', 'AAAA', 'a b', vectors.codes[0]?.text.replace(/^./, '+') ?? ''])
    assert.equal(parsePathCode(text), undefined, text);
});

test('the fixed part of 16 bytes fits a store of 255 characters at the longest address of either family', () => {
  const lengthOf = (record: Parameters<typeof formatRecord>[0]) => sealedLength(formatRecord(record).plain);
  assert.equal(lengthOf({ ipv4: LONGEST_IPV4, c: bare }), 202);
  assert.equal(lengthOf({ ipv6: LONGEST_IPV6, c: bare }), 254);
});

test('candidates are added in the order 4, 1, 6, 3, 2, 7, 5 as far as they fit, and the others are named', () => {
  const sizes = [
    ['mappedPort', 4],
    ['lan4', 8],
    ['configured4', 8],
    ['lan6', 20],
    ['secondLan4', 8],
    ['configured6', 20],
    ['pinholePort', 4],
  ] as const;
  let bytes = 16;
  for (const [i, [name, size]] of sizes.entries()) {
    bytes += size;
    const written = formatPathCode(full, Math.ceil((bytes * 4) / 3));
    assert.ok(written);
    const kept = Object.keys(parsePathCode(written.text)?.candidates ?? {});
    assert.deepEqual(
      kept,
      sizes.slice(0, i + 1).map(([kept]) => kept),
      name,
    );
    assert.deepEqual(
      written.omitted,
      sizes.slice(i + 1).map(([left]) => left),
      name,
    );
  }
  // A small one behind a large one that does not fit still counts.
  const narrow = formatPathCode(full, Math.ceil(((16 + 4 + 8 + 8 + 8) * 4) / 3));
  assert.deepEqual(narrow?.omitted, ['lan6', 'configured6', 'pinholePort']);
  assert.equal(formatPathCode(full, 21), undefined);
});

test('a record carries the member after its endpoints, tells t, n and f by it, and is left out where it does not fit', () => {
  const record = { ipv4: LONGEST_IPV4, c: full };
  const { plain, omitted } = formatRecord(record, 255);
  assert.match(plain, /^\{"ipv4":"[^"]+","c":"[\w-]+"\}$/);
  assert.ok(sealedLength(plain) <= 255);
  assert.deepEqual(omitted, ['lan6', 'secondLan4', 'configured6', 'pinholePort']);
  const read = parseRecord(plain);
  assert.deepEqual([read.t, read.n, read.f], [full.t, full.n, full.f]);
  assert.equal(read.c?.ack, 0);
  const both = { ...record, ipv6: LONGEST_IPV6 };
  assert.deepEqual(formatRecord(both, 270).omitted, ['c']);
  assert.equal(parseRecord(formatRecord(both, 270).plain).t, undefined);
  const { c, t } = parseRecord('{"ipv4":"192.0.2.7:1","t":9,"c":"AAAA"}');
  assert.deepEqual([c, t], [undefined, undefined], 'another version: the whole of c is ignored');
});

test('F21 records are ordered by t, then by the generation as RFC 1982 counts', () => {
  assert.equal(newerGeneration(1, 0), true);
  assert.equal(newerGeneration(0, 65535), true);
  assert.equal(newerGeneration(65535, 0), false);
  assert.equal(newerGeneration(5, 5), false);
  assert.equal(newerGeneration(0x8000, 0), false);
  assert.equal(writtenAfter({ t: 2, n: 0 }, { t: 1, n: 9 }), true);
  assert.equal(writtenAfter({ t: 2, n: 0 }, { t: 2, n: 65535 }), true);
  assert.equal(writtenAfter({ t: 2, n: 3 }, { t: 2, n: 3 }), false);
  assert.equal(acknowledgementOf(0x6a_12_34_56), 0x3456);
  assert.equal(acknowledgementOf(2 ** 40 - 1), 0xffff);
});

const port = fc.integer({ min: 0, max: 65535 });
const endpoint = (bytes: number) =>
  fc.tuple(fc.uint8Array({ minLength: bytes, maxLength: bytes }), port).map(([a, p]) => createEndpoint(a, p));
const filtering = fc.constantFrom<PathCode['filtering4']>(
  'unknown',
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
);
const code: fc.Arbitrary<PathCode> = fc.record(
  {
    readsLong: fc.boolean(),
    clockSane: fc.boolean(),
    mapping4: fc.constantFrom<PathCode['mapping4']>('unknown', 'none', 'endpoint-independent', 'address-dependent'),
    filtering4: filtering,
    cgnat: fc.boolean(),
    filtering6: filtering,
    allocation: fc.constantFrom<PortAllocation>('unknown', 'random', { delta: 4 }, { block: 2048 }),
    t: fc.integer({ min: 0, max: 2 ** 40 - 1 }),
    n: port,
    f: fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => Buffer.from(bytes).toString('hex')),
    ack: port,
    candidates: fc.record(
      { mappedPort: port, lan4: endpoint(4), configured4: endpoint(4), lan6: endpoint(16), pinholePort: port },
      { requiredKeys: [], noNullPrototype: true },
    ),
  },
  {
    noNullPrototype: true,
    requiredKeys: [
      ...(['readsLong', 'clockSane', 'mapping4', 'filtering4', 'cgnat', 'filtering6', 'allocation'] as const),
      ...(['t', 'n', 'f', 'candidates'] as const),
    ],
  },
);

test('members survive writing and reading, and any bytes give a value or nothing', () => {
  fc.assert(fc.property(code, (value) => assert.deepEqual(parsePathCode(formatPathCode(value)?.text ?? ''), value)));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
      const parsed = parsePathCode(Buffer.from(bytes).toString('base64url'));
      if (parsed) assert.deepEqual(parsePathCode(formatPathCode(parsed)?.text ?? ''), parsed);
    }),
  );
});
