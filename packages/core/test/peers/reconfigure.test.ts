/** A reload of a device's peers: what it keeps, that nobody sees half of it, and that it holds the event loop up for no long time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDeviceEntry } from '#src/peers/peer-table.js';
import { planReconfiguration } from '#src/peers/reconfigure.js';
import { SLICE } from '#src/runtime/slices.js';
import { createComponents } from '../controllers/doubles.js';

test('a reload keeps what is known of a peer that stays, drops what a lost store held, and adds the new peer fresh', async () => {
  const d = createComponents({ pluginsOf: () => ['one', 'two'] });
  const { config } = d.peer;
  assert.equal((await planReconfiguration(d.device, structuredClone(d.device.config), d.clock))(), false);
  for (const name of ['one', 'two']) d.peer.publishRetry.set(name, { at: 5, failures: 1, untried: false });
  d.peer.renewals = 3;
  const added = { ...config, name: 'added', publicKey: d.own.publicKey };
  const peers = new Map([
    ['renamed', { ...config, name: 'renamed', plugins: ['two', 'three'] }],
    ['added', added],
  ]);
  await d.clock.advance(77);
  assert.equal((await planReconfiguration(d.device, { ...d.device.config, peers }, d.clock))(), true);
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

test('F76 10,000 peers are compared in slices, and until all are the device is as it was', async () => {
  const d = createComponents({});
  const crowd = (changed: boolean) =>
    new Map(
      Array.from({ length: 10_000 }, (_, n) => {
        const publicKey = Buffer.from(String(n).padStart(32, '0')).toString('base64') as typeof d.own.publicKey;
        const description = changed && n % 2 === 0 ? 'another' : 'as before';
        return [`p${n}`, { ...d.peer.config, name: `p${n}`, publicKey, description }] as const;
      }),
    );
  const device = createDeviceEntry({ ...d.device.config, peers: crowd(false) }, 0);
  const { config, peers } = device;
  const configs = peers.map((peer) => peer.config);
  let turns = 0;
  const clock = {
    now: () => 5,
    sleep: async (ms: number) => {
      turns += 1;
      assert.equal(ms, 0);
      assert.equal(device.config, config);
      assert.ok(device.peers === peers && peers.every((peer, index) => peer.config === configs[index]));
    },
  };
  const apply = await planReconfiguration(device, { ...config, peers: crowd(true) }, clock);
  assert.ok(turns >= 2 * (10_000 / SLICE) - 2, `${turns} turns`);
  assert.equal(device.config, config);
  assert.equal(apply(), true);
  assert.ok(device.peers.every((peer, index) => peer === peers[index]));
  const untouched = device.peers.filter((peer, index) => peer.config === configs[index]);
  assert.deepEqual([untouched.length, untouched[0]?.name], [5_000, 'p1']);
  // Taken over again it changes nothing.
  const free = { now: () => 6, sleep: async () => {} };
  assert.equal((await planReconfiguration(device, { ...config, peers: crowd(true) }, free))(), false);
});
