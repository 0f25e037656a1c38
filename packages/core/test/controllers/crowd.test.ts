/** What many peers cost: readings of WireGuard, discoveries and store calls, over fake minutes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHarness, farEndpoint, type Harness, WALL_START } from './harness.js';

const TEN_MINUTES_MS = 600_000;

async function connectAll(h: Harness): Promise<void> {
  await h.start();
  await Promise.all(h.far.map((_, index) => h.connect(index)));
  assert.ok(h.device.peers.every(({ phase }) => phase === 'connected'));
}

const readings = (h: Harness): number => h.wg.calls.filter(({ method }) => method === 'device').length;

test('F13 F23 twenty peers that stay dead for ten minutes share their discoveries, and their readings become fewer', async () => {
  const h = createHarness({ peers: 20, keepaliveSeconds: 25, watch: false });
  await connectAll(h);
  await h.live(30_000);
  for (const side of h.far) side.answersAt = undefined;
  h.forget();
  await h.advance(TEN_MINUTES_MS);
  assert.ok(h.device.peers.every(({ phase }) => phase !== 'connected'));
  // At once, three 2 s apart, then 5, 10, 15 … 30 s: 6 in the first half minute, and one every 30 s from there on.
  const discoveries = h.only('discover').length;
  assert.ok(discoveries >= 15 && discoveries <= 30, `${discoveries} discoveries`);
  // Nothing new is to be told.
  assert.equal(h.only('publish').length, 0);
  // Reads of one moment are one call where the store has getMany. A second apart at first, then 2 % of the time that the peer is away.
  const turns = new Set(h.only('get').map(({ at }) => at)).size;
  const each = h.only('get').length / h.far.length;
  assert.ok(each >= 60 && each <= 200, `${each} reads a peer`);
  assert.ok(turns <= 2 * each, `${turns} moments of reading, ${each} reads a peer`);
  const late = h.only('get').filter(({ at }) => at > h.clock.now() - 60_000).length / h.far.length;
  assert.ok(late <= 9, `${late} reads a peer in the last minute`);
});

test('F23 four hundred peers that are all away: readings of the device and of the store are bounded, whatever is due when', async () => {
  const h = createHarness({ peers: 400, watch: false });
  await h.start();
  await h.advance(12_000);
  h.forget();
  const before = readings(h);
  // Each has something due at a moment of its own.
  for (const [i, { series }] of h.device.peers.entries()) series.nextAt = h.clock.now() + 10 * i;
  await h.advance(4_000);
  const more = readings(h) - before;
  // The rhythm's: one in 600 ms, as a reading of 400 peers costs up to 6 ms, and takes 1 % of the time. The others are of attempts, which
  // have to see what they have done.
  assert.ok(more >= 3 && more <= 21, `${more} readings of the device in 4 s`);
  const reads = h.only('get').length;
  assert.ok(reads >= 100 && reads <= 300, `${reads} records read in 4 s, about fifty a second`);
});

test('F16 three hundred peers that are well cost one reading of the device a beat, and nothing else', async () => {
  const h = createHarness({ peers: 300, keepaliveSeconds: 25, refreshIntervalMs: 3_600_000, mappingCheckMs: 0 });
  await connectAll(h);
  await h.live(30_000);
  h.forget();
  const before = readings(h);
  await h.live(60_000);
  const more = readings(h) - before;
  assert.ok(more >= 5 && more <= 7, `${more} readings in a minute of beats 10 s apart`);
  assert.deepEqual(h.steps, []);
});

test('F27 a wall clock set back an hour leaves tunnels alone, and what is published afterwards is newer all the same', async () => {
  const h = createHarness({ peers: 2, keepaliveSeconds: 25 });
  await connectAll(h);
  await h.live(30_000);
  const before = h.peer(0).ourRecord()?.t ?? assert.fail('nothing published');
  h.forget();
  h.clock.jumpWall(-3_600_000);
  await h.live(120_000);
  assert.deepEqual(h.only('set', 'renew', 'publish'), []);
  assert.deepEqual(
    h.device.peers.map(({ phase }) => phase),
    ['connected', 'connected'],
  );
  // One look, since a machine that slept shows itself in the same way.
  assert.equal(h.events.filter(({ event }) => event === 'network').length, 1);
  h.mappings.set(4, '203.0.113.9:40001');
  await h.session.refresh();
  await h.advance(5_000);
  const after = h.peer(0).ourRecord();
  assert.equal(after?.ipv4?.port, 40_001);
  assert.ok((after?.t ?? 0) > before, `${after?.t} after ${before}`);
});

test("F27 a wall clock set ahead a day makes nobody suspect, and peers' records are still taken", async () => {
  const h = createHarness({ peers: 1, keepaliveSeconds: 25 });
  await connectAll(h);
  await h.live(30_000);
  h.forget();
  h.clock.jumpWall(86_400_000);
  await h.live(120_000);
  assert.deepEqual(h.only('set', 'renew'), []);
  assert.equal(h.entry().phase, 'connected');
});

test('F16 an attempt reads a large device anew, though the rhythm has just read it and rests', async () => {
  const h = createHarness({ peers: 150 });
  await h.start();
  await h.advance(30_000);
  for (const before = readings(h); readings(h) === before; ) await h.advance(10);
  const before = readings(h);
  h.peer(0).answersAt = farEndpoint(0);
  await h.peer(0).publish({ ipv4: farEndpoint(0), t: WALL_START / 1000 });
  // Shorter than the rest of 225 ms.
  await h.advance(100);
  assert.ok(readings(h) > before, `${readings(h) - before} readings`);
});
