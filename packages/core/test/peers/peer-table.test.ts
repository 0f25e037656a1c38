/** The table of peers: what a reload keeps. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reconfigureDevice } from '#src/peers/peer-table.js';
import { createComponents } from '../controllers/doubles.js';

test('a reload keeps what is known of a peer that stays, drops what a lost store held, and adds the new peer fresh', () => {
  const d = createComponents({ pluginsOf: () => ['one', 'two'] });
  const { config } = d.peer;
  assert.equal(reconfigureDevice(d.device, d.device.config, 0), false);
  for (const name of ['one', 'two']) d.peer.publishRetry.set(name, { at: 5, failures: 1, untried: false });
  d.peer.renewals = 3;
  const added = { ...config, name: 'added', publicKey: d.own.publicKey };
  const peers = new Map([
    ['renamed', { ...config, name: 'renamed', plugins: ['two', 'three'] }],
    ['added', added],
  ]);
  assert.equal(reconfigureDevice(d.device, { ...d.device.config, peers }, 77), true);
  assert.deepEqual(
    d.device.peers.map(({ name, renewals, publishRetry }) => [name, renewals, [...publishRetry.keys()]]),
    [
      ['renamed', 3, ['two']],
      ['added', 0, []],
    ],
  );
  assert.equal(d.device.peers[0], d.peer);
  assert.equal(d.device.peers[1]?.phaseSince, 77);
});
