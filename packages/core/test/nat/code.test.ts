import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FilteringBehaviour, MappingBehaviour, NatSummary } from '#src/nat/behaviour-types.js';
import { formatNatCode, parseNatCode } from '#src/nat/code.js';
import { parseEndpoint } from '#src/net/index.js';
import { formatRecord, parseRecord } from '#src/record/endpoint-record.js';

const MAPPINGS: readonly MappingBehaviour[] = [
  'none',
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
  'unknown',
];
const FILTERINGS: readonly FilteringBehaviour[] = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
  'unknown',
];

test('every behaviour of both families survives the way through a record, in at most 8 characters', () => {
  for (const mapping of MAPPINGS)
    for (const filtering of FILTERINGS)
      for (const cgnat of [false, true]) {
        const summary: NatSummary = { mapping, filtering, cgnat };
        if (mapping === 'unknown' && filtering === 'unknown') continue;
        const both = new Map([
          [4, summary],
          [6, { mapping: 'none', filtering: 'address-and-port-dependent', cgnat: false }],
        ] as const);
        const code = formatNatCode(both);
        assert.ok(code.length <= 8, code);
        assert.deepEqual(parseNatCode(parseRecord(`{"b":"${code}"}`).b), both);
      }
  assert.equal(
    formatNatCode(new Map([[4, { mapping: 'endpoint-independent', filtering: 'unknown', cgnat: true }]])),
    '4euc',
  );
});

test('nothing is told where nothing is known, and what a later version may write is passed over', () => {
  assert.equal(formatNatCode(new Map()), '');
  assert.equal(formatNatCode(new Map([[4, { mapping: 'unknown', filtering: 'unknown', cgnat: false }]])), '');
  for (const code of [undefined, '', '4', '4x', '4ez', '5ee', '4ee6', 'ee', '4eed', '4ee4ee4ee'])
    assert.equal(parseNatCode(code).size, 0, code);
  for (const value of ['5', 'null', '{"x":1}', '"4E E"', `"${'4'.repeat(17)}"`, '""'])
    assert.equal(parseRecord(`{"b":${value}}`).b, undefined, value);
  assert.deepEqual(parseRecord('{"b":7}').problems, []);
});

test('the member stands last, so that it is the first to go where a store takes little', () => {
  const ipv4 = parseEndpoint('203.0.113.11:51820');
  assert.ok(ipv4);
  const record = { b: '4ep', ipv4, t: 1_800_000_000, n: 3, f: '00112233' };
  const { plain } = formatRecord(record);
  assert.equal(plain, '{"ipv4":"203.0.113.11:51820","t":1800000000,"n":3,"f":"00112233","b":"4ep"}');
  assert.deepEqual(formatRecord(record, 2 * (40 + plain.length) - 1).omitted, ['b']);
  assert.equal(
    Object.keys(JSON.parse(plain)).some((name) => /^ipv[46]$/i.test(name) && name !== 'ipv4'),
    false,
  );
});
