/** Discoveries whose surroundings fail: resolvers, sockets that break or come too late, and addresses that are none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, StunmeshError } from '#src/api/index.js';
import { settle } from '#src/testing/index.js';
import { A, B, C, MAPPED, published, setUp } from './discovery.js';
import { answering, silent } from './fake-network.js';

test('a name server that is silent until the limit is named as the reason, beside the servers that were', async () => {
  const { run } = setUp(
    { [A]: silent },
    { servers: ['hangs.example:3478', A], resolve: () => new Promise(() => {}), timeoutMs: 2_000 },
  );
  const { atMs, error } = await run();
  assert.equal(atMs, 2_000);
  assert.match(String(error), /no name server answered for hangs\.example in time/);
  assert.match(String(error), /no answer from 198\.51\.100\.1:3478 in time/);
});

test('whatever a resolver throws is one failed server, told in its own words', async () => {
  for (const thrown of [new TypeError('odd name'), 'odd name']) {
    const { run } = setUp(
      { [A]: answering(MAPPED, 10) },
      { servers: ['odd.example:3478', A], resolve: () => Promise.reject(thrown) },
    );
    const { value } = await run();
    const failure = value?.failures.get('odd.example:3478');
    assert.ok(failure && hasCode(failure, 'ERR_INTERNAL'));
    assert.equal(failure.message, 'odd name');
    assert.equal(failure.cause, thrown);
    assert.equal(value?.server, A);
  }
});

test('F7 what is no address among those of this host is passed over, and the others still count', async () => {
  const own = ['fe80::1%eth0', '', '203.0.113.7'];
  const { value } = await setUp({ [A]: answering(MAPPED, 10) }, { ownAddresses: own }).run();
  assert.equal(value?.natted, false);
});

test('a socket that breaks while it is opened ends the discovery with its fault, and nobody is asked', async () => {
  const lost = new StunmeshError('ERR_CAPTURE_LOST', 'the interface is gone');
  const set = setUp({ [A]: answering(MAPPED, 10) });
  const broken = setUp(
    { [A]: answering(MAPPED, 10) },
    {
      openSocket(on) {
        on.onFault(lost);
        return set.network.openSocket(on);
      },
    },
  );
  const { atMs, error } = await broken.run();
  assert.equal(atMs, 0);
  assert.equal(error, lost);
  assert.deepEqual(set.network.sent, []);
  assert.equal(set.network.sockets.open, 0);
});

test('an abort in the very moment in which the socket is asked for ends the discovery; the late socket is closed', async () => {
  const reason = new StunmeshError('ERR_CLOSED', 'stopping');
  const abort = new AbortController();
  const set = setUp({});
  let comeLate = () => {};
  const { run } = setUp(
    { [A]: answering(MAPPED, 10) },
    {
      signal: abort.signal,
      openSocket(on) {
        abort.abort(reason);
        return new Promise((resolve) => {
          comeLate = () => resolve(set.network.openSocket(on));
        });
      },
    },
  );
  const { atMs, error } = await run();
  assert.equal(atMs, 0);
  assert.equal(error, reason);
  comeLate();
  await settle();
  assert.equal(set.network.sockets.open, 0);
});

test('F2 of two answers in the same moment one is published, and the other changes nothing', async () => {
  const { run } = setUp({ [A]: answering(MAPPED, 10), [B]: answering('203.0.113.8:2', 10), [C]: silent });
  const outcome = await run();
  assert.equal(outcome.atMs, 10);
  assert.equal(published(outcome), MAPPED);
  assert.equal(outcome.value?.server, A);
});
