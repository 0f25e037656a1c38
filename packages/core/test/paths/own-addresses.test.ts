import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint, Family } from '#src/api/index.js';
import type { NatSummary } from '#src/nat/behaviour-types.js';
import { parseEndpoint } from '#src/net/index.js';
import { ownRecord } from '#src/paths/own-addresses.js';

const endpoint = (text: string): Endpoint => parseEndpoint(text) ?? assert.fail(text);
const reflexive4 = endpoint('203.0.113.11:40000');
const mapped4 = endpoint('203.0.113.11:51820');
const reflexive6 = endpoint('[2001:db8::1]:51820');
const STATE = { allocation: 'unknown', clockSane: true, t: 5, n: 6, f: '01020304' } as const;
const nat = (mapping: NatSummary['mapping']) =>
  new Map<Family, NatSummary>([[4, { mapping, filtering: 'address-and-port-dependent', cgnat: true }]]);

test('ipv4 is the mapped address unless the NAT is known to map alike for everybody; then the mapped port stands beside', () => {
  const record = (mapping: NatSummary['mapping']) =>
    ownRecord({ reflexive4, mapped4, lan: [], configured: [] }, { ...STATE, nat: nat(mapping) });
  for (const mapping of ['address-and-port-dependent', 'unknown'] as const) {
    assert.deepEqual(record(mapping).ipv4, mapped4);
    assert.deepEqual(record(mapping).c?.candidates, { mappedPort: 51_820 });
  }
  assert.deepEqual(record('endpoint-independent').ipv4, reflexive4);
  assert.deepEqual(record('endpoint-independent').c?.candidates, { mappedPort: 51_820 });
});

test('a record tells two LAN addresses, one configured address of each family, the NAT, and what it acknowledges', () => {
  const lan = ['192.168.1.7:1', '10.0.0.7:1', '172.16.0.7:1', '[fd00::7]:1', '[fd00::8]:1'].map(endpoint);
  const configured = ['198.51.100.1:443', '198.51.100.2:443', '[2001:db8::9]:443'].map(endpoint);
  const pinhole6 = endpoint('[2001:db8::1]:40001');
  const record = ownRecord(
    { reflexive4, reflexive6, pinhole6, lan, configured },
    { ...STATE, nat: nat('none'), ack: 0 },
  );
  assert.deepEqual([record.ipv4, record.ipv6], [reflexive4, reflexive6]);
  assert.deepEqual(record.c?.candidates, {
    lan4: lan[0],
    secondLan4: lan[1],
    lan6: lan[3],
    configured4: configured[0],
    configured6: configured[2],
    pinholePort: 40_001,
  });
  const { mapping4, filtering4, cgnat, filtering6, ack, readsLong } = record.c ?? assert.fail('no member c');
  assert.deepEqual([mapping4, filtering4, cgnat, filtering6], ['none', 'address-and-port-dependent', true, 'unknown']);
  assert.deepEqual([ack, readsLong], [0, true]);
  assert.equal(ownRecord({ lan: [], configured: [] }, { ...STATE, nat: new Map() }).ipv4, undefined);
});
