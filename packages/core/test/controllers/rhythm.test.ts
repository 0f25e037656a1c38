/** How often stores are asked and packets sent (F23, F42): soon at first, slower with time, never beyond what is allowed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { storeKey } from '#src/record/store-key.js';
import { createHarness, farEndpoint, type Harness, type Step } from './harness.js';

const T = 1_800_000_000;

/** Steps within a span of time. */
function within(h: Harness, from: number, to: number, ...what: Step['what'][]): number {
  return h.only(...what).filter((s) => s.at >= from && s.at < to).length;
}

test('F23 a missing record is looked for about every second at first, and slower with time', async () => {
  const h = createHarness({ watch: false });
  await h.start();
  await h.advance(3_600_000);
  // Our own slot is looked at once.
  const first = within(h, 0, 20_000, 'get');
  assert.ok(first >= 15 && first <= 24, `${first} in the first 20 s`);
  const later = within(h, 1_800_000, 1_920_000, 'get');
  assert.ok(later >= 6 && later <= 20, `${later} in two minutes after half an hour`);
});

test('F23 a record that appears is used within about a second, also without watching', async () => {
  const h = createHarness({ watch: false });
  await h.start();
  await h.advance(10_000);
  h.peer().answersAt = farEndpoint(0);
  const main = h.stores.get('main');
  assert.ok(main);
  // Straight into the records: nobody is told.
  const other = createHarness({ stored: main.records });
  await other.peer().publish({ ipv4: farEndpoint(0), t: T });
  for (const [key, value] of other.stores.get('main')?.records ?? []) main.records.set(key, value);
  await h.advance(1_600);
  assert.equal(h.entry().phase, 'connected');
});

test('F23 a store whose watch stays silent is read as one without', async () => {
  const h = createHarness();
  (h.stores.get('main') ?? assert.fail()).silent = true;
  await h.start();
  await h.advance(20_000);
  const looks = within(h, 1_000, 20_000, 'get');
  assert.ok(looks >= 5 && looks <= 20, `${looks}`);
});

test('F23 a store that watches triggers at once', async () => {
  const h = createHarness({ stores: { main: { minPollMs: 60_000 } } });
  await h.start();
  await h.advance(10_000);
  h.peer().answersAt = farEndpoint(0);
  await h.peer().publish({ ipv4: farEndpoint(0), t: T });
  await h.advance(30);
  assert.equal(h.only('set').length, 1);
  await h.advance(200);
  assert.equal(h.entry().phase, 'connected');
});

test('F23 a watch is set up anew for a device with a new key', async () => {
  const h = createHarness({ stores: { main: { minPollMs: 600_000 } } });
  await h.start();
  await h.advance(5_000);
  const { keyPair } = await import('./far-side.js');
  h.addDevice(keyPair('own, later'));
  await h.advance(15_000);
  h.peer().answersAt = farEndpoint(0);
  await h.peer().publish({ ipv4: farEndpoint(0), t: T });
  await h.advance(200);
  assert.equal(h.entry().phase, 'connected');
});

test('F23 no peer is looked for more often than the store bears', async () => {
  const h = createHarness({ stores: { main: { minPollMs: 30_000 } }, watch: false });
  await h.start();
  await h.advance(600_000);
  // One look at our own slot, and one as the device appears; our own record is looked after every three minutes.
  assert.ok(h.only('get').length <= 2 + 600 / 30 + 1 + 600 / 180, `${h.only('get').length}`);
  assert.ok(h.only('get').length >= 18, `${h.only('get').length}`);
});

test('F23 a peer that knocks is read no more often than the store bears', async () => {
  const h = createHarness({ stores: { main: { minPollMs: 60_000 } } });
  await h.peer().publish({ ipv4: farEndpoint(0), t: T });
  await h.start();
  for (let i = 0; i < 120; i += 1) {
    await h.advance(5_000);
    h.wg.traffic('wg0', h.peer().keys.publicKey, { rxBytes: 148 });
  }
  // Ten looks, one refresh, one at our own slot, and the device's appearance.
  assert.ok(h.only('get').length <= 16, `${h.only('get').length} in ten minutes`);
});

test('F23 connected peers are read at the refresh alone', async () => {
  const h = createHarness({ refreshIntervalMs: 60_000, keepaliveSeconds: 25 });
  await h.start();
  await h.connect();
  await h.live(60_000);
  h.forget();
  await h.live(600_000);
  const theirs = h.only('get').filter(({ to }) => to.endsWith(storeKey(h.peer().keys.publicKey, h.own.publicKey)));
  assert.ok(theirs.length >= 9 && theirs.length <= 11, `${theirs.length}`);
  // One of our own records is looked after beside them.
  assert.ok(h.only('get').length <= 2 * theirs.length);
});

test('F23 a slow store is asked one thing at a time for a peer', async () => {
  const h = createHarness();
  h.delays.set('main get', 4_000);
  await h.start();
  await h.advance(60_000);
  const theirs = h.only('get').filter(({ to }) => to.endsWith(storeKey(h.peer().keys.publicKey, h.own.publicKey)));
  assert.ok(theirs.length <= 17, `${theirs.length}`);
});

test('F23 a store that fails is asked again, and its error is in the log once', async () => {
  const h = createHarness();
  await h.peer().publish({ ipv4: farEndpoint(0), t: T });
  h.peer().answersAt = farEndpoint(0);
  const main = h.stores.get('main');
  assert.ok(main);
  main.failure = new StunmeshError('ERR_STORE_UNAVAILABLE', 'down');
  await h.start();
  await h.advance(30_000);
  const warnings = h.logger.lines.filter((l) => l.level === 'warn').map((l) => l.message);
  // Of reading, of writing, and that the store is left alone.
  assert.equal(warnings.length, 3, h.logger.text());
  assert.equal(new Set(warnings).size, 3, h.logger.text());
  main.failure = undefined;
  await h.advance(5_000);
  assert.equal(h.entry().phase, 'connected');
});

test('F42 a peer that is dead for ten minutes costs a bounded number of packets and writes', async () => {
  const h = createHarness({ keepaliveSeconds: 25 });
  await h.start();
  await h.connect();
  await h.live(30_000);
  h.peer().answersAt = undefined;
  h.forget();
  await h.advance(600_000);
  const counts = Object.fromEntries(
    (['punch', 'kick', 'set', 'renew', 'discover', 'publish'] as const).map((w) => [w, h.only(w).length]),
  );
  const bounds = { punch: 180, kick: 200, set: 60, renew: 3, discover: 30, publish: 0 };
  for (const [what, most] of Object.entries(bounds))
    assert.ok((counts[what] ?? 0) <= most, `${what}: ${counts[what]} > ${most}`);
});

test('F42 a peer whose record leads nowhere costs a bounded number of packets, ever fewer', async () => {
  const h = createHarness();
  await h.peer().publish({ ipv4: farEndpoint(0), t: T });
  await h.start();
  await h.advance(1_200_000);
  const first = within(h, 0, 600_000, 'punch', 'kick');
  const second = within(h, 600_000, 1_200_000, 'punch', 'kick');
  assert.ok(first <= 300, `${first}`);
  assert.ok(second < first && second <= 120, `${second}`);
});

test('F42 a peer that knocks all the time makes us send at most one attempt per knock', async () => {
  const h = createHarness();
  await h.peer().publish({ ipv4: farEndpoint(0), t: T });
  await h.start();
  await h.advance(60_000);
  h.forget();
  for (let i = 0; i < 120; i += 1) {
    await h.advance(5_000);
    h.wg.traffic('wg0', h.peer().keys.publicKey, { rxBytes: 148 });
  }
  assert.ok(h.only('punch').length <= 250, `${h.only('punch').length} punches`);
  assert.ok(h.only('kick').length <= 250, `${h.only('kick').length} kicks`);
});

test('F42 a host whose mapping changes at every look does not drive its peers into a storm', async () => {
  const h = createHarness({ peers: 2, refreshIntervalMs: 600_000 });
  let port = 10_000;
  Object.defineProperty(h.mappings, 'get', { value: () => `203.0.113.9:${port++}` });
  await h.peer(0).publish({ ipv4: farEndpoint(0), t: T });
  await h.start();
  await h.advance(600_000);
  assert.ok(h.only('discover').length <= 40, `${h.only('discover').length} discoveries`);
  assert.ok(h.only('publish').length <= 2 * h.only('discover').length, `${h.only('publish').length} writes`);
  assert.ok(h.only('renew').length <= 3, `${h.only('renew').length} renewals`);
});
