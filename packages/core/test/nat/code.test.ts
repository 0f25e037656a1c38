import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FilteringBehaviour, MappingBehaviour, NatSummary } from '#src/nat/behaviour-types.js';
import { formatNatCode, natOf, parseNatCode } from '#src/nat/code.js';
import { formatRecord, parseRecord } from '#src/record/endpoint-record.js';
import { codeOf } from '../record/coded.js';

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
        assert.deepEqual(parseNatCode(code), both);
        const { plain } = formatRecord({ c: codeOf({ nat: code }) });
        assert.deepEqual(natOf(parseRecord(plain).c), both);
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
  assert.equal(natOf(undefined).size, 0);
  assert.equal(natOf(codeOf({})).size, 0);
});

test('how ports are chosen goes with the mapping, and of IPv6 the filtering alone is told', () => {
  const code = codeOf({ nat: '4pp6na', allocation: { delta: 2 } });
  assert.deepEqual(natOf(code).get(4)?.allocation, { delta: 2 });
  assert.deepEqual(natOf(code).get(6), { mapping: 'none', filtering: 'address-dependent', cgnat: false });
  assert.equal(natOf(codeOf({ nat: '4pp6nu' })).has(6), false);
});
