/** What a reload and a restart bring to tunnels that go on: other stores, other intervals, and what was learnt of the peer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHarness, farEndpoint } from './harness.js';

const T = 1_800_000_000;

test('a store that takes the place of another gets our record, and is read, without a word to WireGuard', async () => {
  const h = createHarness();
  await h.start();
  await h.connect();
  h.forget();
  await h.replaceStore('main');
  await h.advance(1_000);
  assert.equal(h.only('publish').length, 1);
  // The other one is the heartbeat of its watch.
  assert.equal(h.stores.get('main')?.records.size, 2);
  const reads = h.entry().reads;
  await h.peer().publish({ ipv4: farEndpoint(0), t: T });
  await h.advance(1_000);
  assert.ok(h.entry().reads > reads, 'the new store is watched');
  assert.deepEqual(h.only('set', 'renew'), []);
  assert.equal(h.entry().phase, 'connected');
});

test('a write that is under way while the store is replaced does not count for the new one', async () => {
  const h = createHarness();
  h.delays.set('main set', 5_000);
  await h.start();
  await h.advance(1_000);
  h.delays.clear();
  await h.replaceStore('main');
  await h.advance(10_000);
  assert.equal(h.stores.get('main')?.records.size, 2);
  assert.ok(h.peer().ourRecord());
});

test('a shorter refresh interval counts at once, not after the longer one that has begun', async () => {
  const options = { refreshIntervalMs: 3_600_000, keepaliveSeconds: 25 };
  const h = createHarness(options);
  await h.start();
  await h.connect();
  h.forget();
  options.refreshIntervalMs = 60_000;
  h.session.retimed();
  await h.live(185_000);
  const refreshes = h.events.filter(({ event }) => event === 'refresh').length;
  assert.ok(refreshes >= 2 && refreshes <= 4, `${refreshes} refreshes`);
});

test('that a peer answers echoes outlives the process, so that a dead tunnel is told in a second at the next start', async () => {
  const h = createHarness();
  await h.start();
  assert.equal(h.entry().answersEcho, false);
  await h.connect();
  assert.equal(h.entry().answersEcho, true);
  assert.ok(h.saves > 0);
  const again = createHarness({ state: h.state() });
  assert.equal(again.entry().answersEcho, true);
  assert.equal(createHarness({ state: { version: 1, n: 1, peers: {} } }).entry().answersEcho, false);
});

test('where IPv6 is preferred and leads nowhere, IPv4 is tried when its first turn comes, not at the attempt after that', async () => {
  for (let run = 0; run < 10; run += 1) {
    const h = createHarness({
      protocol: 'dualstack',
      peerProtocol: 'prefer_ipv6',
      wallStart: Date.UTC(2027, 0, 1) + run * 1_000,
    });
    await h.start();
    h.peer().answersAt = farEndpoint(0);
    await h.peer().publish({ ipv4: farEndpoint(0), ipv6: '[2001:db8:5::5]:5000', t: T });
    // A dwell of six seconds, a fifth of it, and the attempt that it may end in.
    await h.advance(8_500);
    assert.deepEqual(
      h.only('set').map(({ to }) => to),
      ['[2001:db8:5::5]:5000', farEndpoint(0)],
      `start at second ${run} of the wall clock`,
    );
  }
});
