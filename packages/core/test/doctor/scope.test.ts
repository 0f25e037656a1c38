/** Doctor for one device or one peer alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyPair } from '../controllers/far-side.js';
import { createPatient } from './harness.js';

test('one peer alone is examined where it is asked for, and keys of the others are no strangers', async (t) => {
  const patient = createPatient(t);
  const other = keyPair('site-c');
  patient.wg.addPeer('wg0', { publicKey: other.publicKey });
  patient.config += `      site-c: { public_key: ${other.publicKey}, plugin: main, protocol: ipv4 }\n`;
  patient.wg.removePeer('wg0', patient.peer.publicKey);
  patient.parts.scope = { device: 'wg0', peer: patient.peer.publicKey };
  const found = (await patient.examine()).filter(({ check }) => check === 'peer');
  assert.deepEqual(
    found.map(({ subject }) => subject),
    ['wg0/site-b'],
  );
  assert.match(found[0]?.text ?? '', /all peers that it has are in the configuration under other names/);
});
