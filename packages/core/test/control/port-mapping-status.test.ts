/** A mapped port in the snapshot, in words, and where both NATs are symmetric. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { portMappingLines, portMappingSnapshot } from '#src/control/port-mapping-status.js';
import { createPortMappingEntry } from '#src/peers/port-mapping.js';

const WALL = Date.UTC(2027, 0, 1);
const MAPPING = {
  protocol: 'pcp',
  gateway: '192.168.1.1',
  family: 4,
  internalPort: 51_820,
  externalPort: 30_000,
  externalAddress: '203.0.113.9',
  leaseSeconds: 7_200,
} as const;
const config = (portMapping: readonly 'pcp'[]) =>
  ({ portMapping }) as unknown as Parameters<typeof portMappingSnapshot>[0]['config'];

test('off: nothing is said; asking, mapped for a time or for good, failed', () => {
  const portMapping = createPortMappingEntry();
  assert.deepEqual(portMappingSnapshot({ config: config([]), portMapping }), {});
  const shown = () => portMappingSnapshot({ config: config(['pcp']), portMapping }).portMapping;
  assert.deepEqual(shown(), { state: 'asking', mappings: [] });
  assert.deepEqual(portMappingLines(shown(), WALL), []);

  portMapping.granted.set(4, { mapping: MAPPING, wallUntil: WALL + 7_200_000 });
  assert.equal(shown()?.state, 'mapped');
  assert.deepEqual(portMappingLines(shown(), WALL), [
    'the router 192.168.1.1 maps 203.0.113.9:30000 to us (pcp, for 2 h)',
  ]);
  portMapping.granted.set(4, { mapping: { ...MAPPING, protocol: 'upnp' }, wallUntil: undefined });
  assert.match(portMappingLines(shown(), WALL)[0] ?? '', /upnp, until it is deleted/);

  portMapping.granted.clear();
  portMapping.fault = { code: 'ERR_PORTMAP_NONE', message: 'no router', at: WALL };
  assert.equal(shown()?.state, 'failed');
  assert.deepEqual(portMappingLines(shown(), WALL), ['port_mapping: no router [ERR_PORTMAP_NONE]']);
});
