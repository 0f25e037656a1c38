/** What waiting for peers costs where stores tell of changes, and what becomes of it when they no longer do: store calls over fake hours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { createHarness, farEndpoint, type Harness, WALL_START } from '../harness.js';

const HOUR = 3_600_000;
/** Shorter than the beat at which unchanged records are written anew (F12). */
const WAIT_MS = 3_400_000;
const T = WALL_START / 1000 - 600;
const lost = () => new StunmeshError('ERR_STORE_UNAVAILABLE', 'the connection was lost');

const main = (h: Harness) => h.stores.get('main') ?? assert.fail();
const reads = (h: Harness) => h.only('get').length;
const watchOf = (h: Harness) => h.snapshot().devices[0]?.stores?.find(({ name }) => name === 'main')?.watch;

/** Milliseconds of fake time until the peer is connected after it has published. */
async function comes(h: Harness, index = 0): Promise<number> {
  h.peer(index).answersAt = farEndpoint(index);
  await h.peer(index).publish({ ipv4: farEndpoint(index), t: T + Math.round(h.clock.now() / 1000) });
  const since = h.clock.now();
  while (h.entry(index).phase !== 'connected' && h.clock.now() - since < HOUR) await h.advance(250);
  return h.clock.now() - since;
}

async function waiting(options: Parameters<typeof createHarness>[0] = {}): Promise<Harness> {
  const h = createHarness(options);
  await h.start();
  await h.advance(120_000);
  h.forget();
  return h;
}

test('F23 an absent peer costs its reading at each refresh and a heartbeat a minute where its store tells of changes, and is found at once', async () => {
  const h = await waiting({ refreshIntervalMs: 600_000 });
  await h.advance(WAIT_MS);
  assert.equal(watchOf(h)?.state, 'told');
  // Six refreshes, and one look at our own record beside each.
  assert.ok(reads(h) <= 12, `${reads(h)} reads`);
  const beats = h.only('heartbeat').length;
  assert.ok(beats >= 55 && beats <= 100, `${beats} heartbeats`);
  assert.deepEqual(h.only('publish'), []);
  assert.ok((await comes(h)) <= 1_000);
});

test('F23 thirty absent peers share the heartbeats, and one that comes is found at once', async () => {
  const h = await waiting({ peers: 30 });
  await h.advance(WAIT_MS);
  assert.ok(reads(h) <= 6 * 31, `${reads(h)} reads`);
  assert.ok(h.only('heartbeat').length <= 100);
  assert.ok((await comes(h, 20)) <= 1_000);
});

test('F29 where nobody is looked for no heartbeat is written', async () => {
  const h = createHarness({ keepaliveSeconds: 25, refreshIntervalMs: 2 * HOUR, mappingCheckMs: 0 });
  await h.start();
  await h.connect();
  await h.live(60_000);
  h.forget();
  await h.live(WAIT_MS);
  assert.deepEqual(h.only('heartbeat', 'get', 'publish'), []);
});

test('F23 a watch that ends with an error: polling takes over at once, and ends when the watch is back', async () => {
  const h = await waiting();
  main(h).silent = true;
  main(h).loseWatches(lost());
  await h.advance(5_000);
  assert.ok(reads(h) >= 2, `${reads(h)} reads in 5 s`);
  assert.match(watchOf(h)?.why ?? '', /the connection was lost/);
  assert.ok((await comes(h)) <= 4_000);
});

test('F23 a record whose news came while the store failed for a moment is read again at the pace of polling, not at the refresh', async () => {
  const h = await waiting({ refreshIntervalMs: 600_000 });
  const store = main(h);
  const { get } = store;
  let failures = 0;
  store.get = async () => {
    failures += 1;
    throw lost();
  };
  h.peer().answersAt = farEndpoint(0);
  await h.peer().publish({ ipv4: farEndpoint(0), t: T + Math.round(h.clock.now() / 1000) });
  await h.advance(500);
  store.get = get;
  assert.ok(failures > 0);
  assert.equal(watchOf(h)?.state, 'told');
  assert.notEqual(h.entry(0).phase, 'connected');
  const since = h.clock.now();
  while (h.entry(0).phase !== 'connected' && h.clock.now() - since < HOUR) await h.advance(250);
  assert.ok(h.clock.now() - since <= 20_000, `found after ${h.clock.now() - since} ms`);
});

test('F23 a watch that goes silent is noticed within forty seconds, and a peer that came meanwhile is found then', async () => {
  const h = await waiting();
  main(h).silent = true;
  const took = await comes(h);
  assert.ok(took <= 40_000, `found after ${took} ms`);
  h.peer().answersAt = undefined;
  assert.equal(h.logger.text().split('is silent').length, 2);
});

test('F23 a watch that comes back is relied on again, and what it missed is read', async () => {
  const h = await waiting({ refreshIntervalMs: 2 * HOUR });
  main(h).silent = true;
  await h.advance(600_000);
  assert.equal(watchOf(h)?.state, 'silent');
  const polled = reads(h);
  assert.ok(polled >= 40 && polled <= 250, `${polled} reads in ten minutes`);
  main(h).silent = false;
  await h.advance(330_000);
  assert.equal(watchOf(h)?.state, 'told');
  h.forget();
  await h.advance(600_000);
  assert.ok(reads(h) <= 1, `${reads(h)} reads`);
  assert.ok((await comes(h)) <= 1_000);
});

test('F23 a writer that tells nobody is noticed at a refresh, its record is polled from then on, and the others’ are not', async () => {
  const h = await waiting({ peers: 3, refreshIntervalMs: 600_000 });
  // As a program does that writes to Redis by itself.
  main(h).silent = true;
  await h.peer(1).publish({ ipv4: '198.51.100.99:1', t: T });
  await h.advance(1_000);
  main(h).silent = false;
  await h.advance(600_000);
  assert.equal(watchOf(h)?.unannounced, 1);
  const text = h.logger.text();
  assert.match(text, /did not say so/);
  h.forget();
  await h.advance(60_000);
  const gets = h.only('get').length;
  assert.ok(gets >= 3 && gets <= 20, `${gets} reads`);
  // It announces after all.
  await h.peer(1).publish({ ipv4: '198.51.100.99:2', t: T + 1 });
  await h.advance(5_000);
  assert.equal(watchOf(h)?.unannounced, 0);
});

test('F23 a store that is seen in part only is polled as one without a watch', async () => {
  const h = createHarness();
  main(h).incomplete = 'on a network file system';
  await h.start();
  await h.advance(10_000);
  assert.ok(reads(h) >= 9, `${reads(h)} reads in ten seconds`);
  assert.deepEqual(h.only('heartbeat'), []);
  assert.equal(watchOf(h)?.state, 'incomplete');
});

test('F23 of two stores one tells and the other is polled at its pace', async () => {
  const h = createHarness({ stores: { main: {}, deaf: {} } });
  (h.stores.get('deaf') ?? assert.fail()).incomplete = 'on a network file system';
  await h.start();
  await h.advance(70_000);
  h.forget();
  await h.advance(30_000);
  const gets = (store: string) => h.only('get').filter(({ to }) => to.startsWith(`${store} `)).length;
  assert.equal(gets('main'), 0);
  assert.ok(gets('deaf') >= 10, `${gets('deaf')} reads`);
});
