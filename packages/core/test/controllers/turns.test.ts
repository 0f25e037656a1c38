/** The endpoints that WireGuard is told while nobody answers, as recorded before paths became a list. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import type { InterfaceProtocol, PeerProtocol } from '#src/config/index.js';
import { createHarness, WALL_START } from './harness.js';

const TRACE = join(import.meta.dirname, '../../../../test/fixtures/paths/sets.txt');
const T = WALL_START / 1000;
const PAIRS: readonly (readonly [InterfaceProtocol, PeerProtocol])[] = [
  ['ipv4', 'prefer_ipv6'],
  ['ipv6', 'prefer_ipv4'],
  ['dualstack', 'ipv4'],
  ['dualstack', 'ipv6'],
  ['dualstack', 'prefer_ipv4'],
  ['dualstack', 'prefer_ipv6'],
];

async function playSets(protocol: InterfaceProtocol, peerProtocol: PeerProtocol): Promise<string> {
  const h = createHarness({ protocol, peerProtocol, stores: { a: {}, b: {} }, mappingCheckMs: 0 });
  await h.peer().publish({ ipv4: '192.0.2.1:1', ipv6: '[2001:db8:f::1]:1', t: T - 10 }, 'a');
  await h.peer().publish({ ipv4: '192.0.2.2:2', ipv6: '[2001:db8:f::2]:2', t: T }, 'b');
  await h.start();
  await h.advance(40_000);
  await h.peer().publish({ ipv4: '192.0.2.3:3', ipv6: '[2001:db8:f::3]:3', t: T + 60 }, 'a');
  await h.advance(40_000);
  await h.stop();
  const steps = h.only('set').map(({ at, to }) => `${Math.round(at / 100) / 10} ${to}`);
  return `${protocol} ${peerProtocol}: ${steps.join(', ')}`;
}

test('while nobody answers the endpoints are set in the order and at the times of the recorded trace', async () => {
  mock.method(Math, 'random', () => 0.5);
  const played: string[] = [];
  for (const [protocol, peerProtocol] of PAIRS) played.push(await playSets(protocol, peerProtocol));
  assert.deepEqual(played, readFileSync(TRACE, 'utf8').trimEnd().split('\n'));
});
