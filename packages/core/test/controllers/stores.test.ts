/** Stores that are down, hung or several for one peer: what the controllers make of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { storePauseMs } from '#src/daemon/stores.js';
import { formatEndpoint } from '#src/net/index.js';
import { createHarness, farEndpoint, type Harness, WALL_START } from './harness.js';

const T = WALL_START / 1000 - 600;
const HOUR = 3_600_000;
const down = () => new StunmeshError('ERR_STORE_UNAVAILABLE', 'connection refused');

/** What reached a store. */
const callsOf = (h: Harness, store: string) => h.only('get', 'publish').filter(({ to }) => to.startsWith(`${store} `));
const sets = (h: Harness) => h.only('set').map(({ to }) => to);

test('several stores: our record is in each of them, and the newest of the peer wins wherever it is', async () => {
  const h = createHarness({ stores: { a: {}, b: {}, c: {} } });
  await h.peer().publish({ ipv4: '198.51.100.1:1001', t: T }, 'a');
  await h.peer().publish({ ipv4: '198.51.100.1:1003', t: T + 2 }, 'b');
  await h.peer().publish({ ipv4: '198.51.100.1:1002', t: T + 1 }, 'c');
  h.peer().answersAt = '198.51.100.1:1003';
  await h.start();
  await h.advance(3_000);
  assert.equal(h.entry().phase, 'connected');
  assert.deepEqual([...new Set(sets(h))].at(-1), '198.51.100.1:1003');
  for (const store of ['a', 'b', 'c']) assert.ok(h.peer().ourRecord(store), store);
});

test('F13 of two stores one hangs: what the other says is used at once, each time it says something new', async () => {
  const h = createHarness({ stores: { hung: {}, quick: {} }, watch: false });
  h.delays.set('hung get', Number.POSITIVE_INFINITY);
  h.delays.set('hung set', Number.POSITIVE_INFINITY);
  await h.start();
  await h.advance(500);
  for (const port of [1001, 1002, 1003]) {
    await h.peer().publish({ ipv4: `198.51.100.1:${port}`, t: T + port }, 'quick');
    const before = h.clock.now();
    while (sets(h).at(-1) !== `198.51.100.1:${port}` && h.clock.now() < before + 20_000) await h.advance(100);
    // A read a second, and no endpoint sooner than three seconds after the last.
    assert.ok(h.clock.now() - before <= 4_200, `port ${port} after ${h.clock.now() - before} ms`);
  }
  assert.ok(h.peer().ourRecord('quick'));
});

test('F13 a store that hangs keeps no discovery waiting: a new mapping is found and published in the other at once', async () => {
  const h = createHarness({ stores: { hung: {}, quick: {} } });
  h.delays.set('hung set', Number.POSITIVE_INFINITY);
  await h.start();
  await h.advance(1_000);
  assert.equal(h.peer().ourRecord('quick')?.ipv4?.port, 40_000);
  for (const port of [41_000, 42_000]) {
    h.mappings.set(4, `203.0.113.9:${port}`);
    void h.session.refresh();
    await h.advance(1_000);
    assert.equal(h.peer().ourRecord('quick')?.ipv4?.port, port);
  }
});

test('F32 a store that is down for an hour is asked a bounded number of times, however many peers wait for it', async () => {
  const h = createHarness({ peers: 8, watch: false });
  const main = h.stores.get('main');
  assert.ok(main);
  main.failure = down();
  await h.start();
  await h.advance(HOUR);
  const calls = callsOf(h, 'main').length;
  assert.ok(calls < 500, `${calls} calls in an hour`);
  const [store] = h.snapshot().stores;
  assert.equal(store?.state, 'down');
  assert.ok((store?.retryAt ?? 0) - h.clock.wallNow() <= 18_000);
  assert.equal(store?.lastError?.code, 'ERR_STORE_UNAVAILABLE');
  const lines = h.logger.text().split('\n');
  assert.equal(lines.filter((line) => line.includes('it is left alone')).length, 1);

  main.failure = undefined;
  for (const [index, far] of h.far.entries()) {
    far.answersAt = farEndpoint(index);
    await far.publish({ ipv4: farEndpoint(index), t: T });
  }
  // A pause of 15 s and a fifth, a read of each peer, which come 15 s apart by now, and the handshakes.
  await h.advance(40_000);
  assert.deepEqual(new Set(h.device.peers.map(({ phase }) => phase)), new Set(['connected']));
  for (const far of h.far) assert.ok(far.ourRecord(), far.name);
  assert.equal(h.snapshot().stores[0]?.state, 'up');
  assert.equal(h.logger.text().split('the store answers again').length, 2);
});

test('F32 a store that is down at the start is found again soon after it is back', async () => {
  for (const outageMs of [5_000, 20_000, 60_000]) {
    const h = createHarness({ watch: false });
    const main = h.stores.get('main');
    assert.ok(main);
    await h.peer().publish({ ipv4: farEndpoint(0), t: T });
    h.peer().answersAt = farEndpoint(0);
    main.failure = down();
    await h.start();
    await h.advance(outageMs);
    main.failure = undefined;
    await h.advance(5_000);
    assert.equal(h.entry().phase, 'connected', `${outageMs} ms`);
  }
});

test('news of a store that was down are followed at once, before its pause is over', async () => {
  const h = createHarness();
  const main = h.stores.get('main');
  assert.ok(main);
  await h.start();
  main.failure = down();
  await h.advance(1_200_000);
  main.failure = undefined;
  h.peer().answersAt = farEndpoint(0);
  await h.peer().publish({ ipv4: farEndpoint(0), t: T });
  await h.advance(1_000);
  assert.equal(h.entry().phase, 'connected');
});

test('a store that is down costs a connected peer nothing, and is asked every five minutes at the least', async () => {
  const h = createHarness({ refreshIntervalMs: 60_000, keepaliveSeconds: 25 });
  const main = h.stores.get('main');
  assert.ok(main);
  await h.start();
  await h.connect();
  await h.live(30_000);
  h.forget();
  main.failure = down();
  h.mappings.set(4, '203.0.113.9:41000');
  await h.live(HOUR);
  assert.equal(h.entry().phase, 'connected');
  assert.deepEqual(sets(h), []);
  const calls = callsOf(h, 'main').length;
  assert.ok(calls >= 12 && calls <= 150, `${calls} calls in an hour`);
  main.failure = undefined;
  await h.live(120_000);
  assert.equal(h.peer().ourRecord()?.ipv4?.port, 41_000);
});

test('two stores, one down: the state of each is told apart, and nothing waits for the dead one', async () => {
  const h = createHarness({ stores: { dead: {}, good: {} }, watch: false });
  const dead = h.stores.get('dead');
  assert.ok(dead);
  dead.failure = down();
  await h.peer().publish({ ipv4: farEndpoint(0), t: T }, 'good');
  h.peer().answersAt = farEndpoint(0);
  await h.start();
  await h.advance(3_000);
  assert.equal(h.entry().phase, 'connected');
  assert.equal(
    formatEndpoint(h.peer().ourRecord('good')?.ipv4 ?? { family: 4, address: '', port: 0 }),
    '203.0.113.9:40000',
  );
  await h.advance(600_000);
  assert.deepEqual(
    h.snapshot().stores.map(({ name, state }) => [name, state]),
    [
      ['dead', 'down'],
      ['good', 'up'],
    ],
  );
});

test('the longest pause of a store follows its peers: seconds while one is not connected, else minutes', async () => {
  const h = createHarness({ stores: { main: {}, other: {} }, pluginsOf: () => ['main'] });
  await h.start();
  const pause = (store: string, refreshIntervalMs = 600_000) =>
    storePauseMs({ devices: [h.device], store, refreshIntervalMs, now: h.clock.now() });
  assert.equal(pause('main'), 2_000);
  assert.equal(pause('other'), 300_000);
  await h.advance(300_000);
  assert.equal(pause('main'), 6_000);
  await h.advance(HOUR);
  assert.equal(pause('main'), 15_000);
  await h.connect();
  assert.equal(h.entry().phase, 'connected');
  assert.equal(pause('main'), 300_000);
  assert.equal(pause('main', 60_000), 60_000);
});

test('F23 of two stores one bears few reads: the other is looked at every second all the same, and it no oftener than it bears', async () => {
  const h = createHarness({ stores: { rare: { minPollMs: 30_000 }, quick: {} }, watch: false });
  await h.start();
  await h.advance(1_000);
  h.forget();
  await h.advance(60_000);
  const reads = (store: string) => h.only('get').filter(({ to }) => to.startsWith(`${store} `)).length;
  assert.ok(reads('rare') >= 1 && reads('rare') <= 3, `${reads('rare')} reads of the one`);
  assert.ok(reads('quick') >= 50, `${reads('quick')} reads of the other`);
  await h.peer().publish({ ipv4: farEndpoint(0), t: T }, 'quick');
  h.peer().answersAt = farEndpoint(0);
  await h.advance(2_000);
  assert.equal(h.entry().phase, 'connected');
});

test('F18 F23 a host that moves while its store is down publishes as soon as the store is back', async () => {
  const h = createHarness({ keepaliveSeconds: 25, refreshIntervalMs: 600_000 });
  await h.start();
  await h.connect();
  await h.live(60_000);
  const main = h.stores.get('main') ?? assert.fail();
  main.failure = down();
  h.mappings.set(4, '203.0.113.9:41000');
  await h.session.refresh();
  await h.live(600_000);
  assert.equal(h.snapshot().stores[0]?.state, 'down');
  main.failure = undefined;
  h.peer().answersAt = undefined;
  h.forget();
  await h.advance(60_000);
  const [first] = h.only('publish');
  assert.ok(first, 'published within a minute');
  assert.equal(h.peer().ourRecord()?.ipv4?.port, 41_000);
});

test('F27 a host that moves asks a store that is down at once: its own network may have kept it away', async () => {
  const h = createHarness({ keepaliveSeconds: 25, refreshIntervalMs: 600_000 });
  await h.start();
  await h.connect();
  await h.live(60_000);
  const main = h.stores.get('main') ?? assert.fail();
  main.failure = down();
  h.mappings.set(4, '203.0.113.9:41000');
  await h.session.refresh();
  await h.live(1_200_000);
  assert.equal(h.snapshot().stores[0]?.state, 'down');
  main.failure = undefined;
  h.mappings.set(4, '203.0.113.9:42000');
  h.forget();
  await h.session.refresh();
  await h.live(5_000);
  assert.equal(h.peer().ourRecord()?.ipv4?.port, 42_000);
});

test('F13 two stores that are down, each for its own reason, are named once each, not at every reading', async () => {
  const h = createHarness({ stores: { a: {}, b: {}, c: {} }, watch: false });
  const [a, b] = [h.stores.get('a') ?? assert.fail(), h.stores.get('b') ?? assert.fail()];
  a.failure = down();
  b.failure = new StunmeshError('ERR_STORE_DENIED', 'wrong password');
  await h.start();
  await h.advance(HOUR);
  const lines = h.logger.lines.filter(({ level }) => level === 'warn');
  assert.ok(lines.length <= 8, `${lines.length} warnings\n${h.logger.text().slice(0, 2000)}`);
  assert.ok(h.events.filter(({ event }) => event === 'fault').length <= 8);
});
