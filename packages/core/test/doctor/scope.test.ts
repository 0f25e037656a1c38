/** Doctor for one device or one peer alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyPair } from '../controllers/far-side.js';
import { createHarness } from './harness.js';

test('one peer alone is examined where it is asked for, and keys of the others are no strangers', async (t) => {
  const harness = createHarness(t);
  const other = keyPair('site-c');
  harness.wg.addPeer('wg0', { publicKey: other.publicKey });
  harness.config += `      site-c: { public_key: ${other.publicKey}, plugin: main, protocol: ipv4 }\n`;
  harness.wg.removePeer('wg0', harness.peer.publicKey);
  harness.parts.scope = { device: 'wg0', peer: harness.peer.publicKey };
  const found = (await harness.examine()).filter(({ check }) => check === 'peer');
  assert.deepEqual(
    found.map(({ subject }) => subject),
    ['wg0/site-b'],
  );
  assert.match(found[0]?.text ?? '', /all peers that it has are in the configuration under other names/);
});
