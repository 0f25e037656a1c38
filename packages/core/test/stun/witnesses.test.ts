/** Servers that contradict each other: the first answer goes out at once, the majority by address wins, and who disagrees is told (F82). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StunmeshError } from '#src/api/index.js';
import type { DiscoverOptions } from '#src/stun/discover.js';
import { describeDisagreement, type WitnessVerdict } from '#src/stun/witnesses.js';
import { A, B, C, D, MAPPED, published, setUp } from './discovery.js';
import { answering, type Behaviour, silent } from './fake-network.js';

const LIE = '198.18.7.7:40001';
const OTHER_PORT = '203.0.113.7:40002';

async function hear(servers: Readonly<Record<string, Behaviour>>, options: Partial<DiscoverOptions> = {}) {
  const set = setUp(servers, options);
  const outcome = set.go();
  await set.clock.advance(400);
  let verdict: WitnessVerdict | undefined;
  let open = true;
  void outcome.value?.witnesses.then((known) => {
    verdict = known;
    open = false;
  });
  await set.clock.advance(0);
  const early = open ? 'open' : verdict;
  await set.clock.advance(6_000);
  assert.deepEqual([set.network.sockets.open, set.clock.pending], [0, 0], 'nothing of it runs on');
  const asked = new Set(set.network.sent.map(({ to }) => to));
  return {
    outcome,
    early: early as WitnessVerdict | 'open' | undefined,
    verdict: verdict as WitnessVerdict | undefined,
    asked,
  };
}

test('F82 the first good answer is published at once; two others that agree outvote it', async () => {
  const { outcome, verdict } = await hear({
    [A]: answering(LIE, 5),
    [B]: answering(MAPPED, 40),
    [C]: answering(MAPPED, 60),
  });
  assert.equal(outcome.atMs, 5);
  assert.equal(published(outcome), LIE);
  assert.ok(verdict);
  assert.deepEqual([verdict.kept.server, verdict.majority], [B, true]);
  assert.deepEqual(
    verdict.outliers.map(({ server }) => server),
    [A],
  );
  const text = describeDisagreement(verdict);
  assert.match(text, /198\.51\.100\.2:3478 sees 203\.0\.113\.7, 198\.51\.100\.1:3478 sees 198\.18\.7\.7; most of them/);
});

test('F82 without a majority the first answer is kept, and each that says something else is named', async () => {
  const two = await hear({ [A]: answering(MAPPED, 5), [B]: answering(LIE, 40) });
  assert.deepEqual([two.verdict?.kept.server, two.verdict?.majority], [A, false]);
  assert.match(two.verdict ? describeDisagreement(two.verdict) : '', /none has a majority.*configure a third server/);
  const three = await hear({
    [A]: answering(MAPPED, 5),
    [B]: answering(LIE, 40),
    [C]: answering('192.0.2.200:1', 50),
  });
  assert.deepEqual([three.verdict?.kept.server, three.verdict?.outliers.length], [A, 2]);
});

test('F82 a second answer that agrees settles it: different ports at one address are the NAT’s behaviour', async () => {
  const { early, asked } = await hear({
    [A]: answering(MAPPED, 5),
    [B]: answering(OTHER_PORT, 40),
    [C]: silent,
    [D]: answering(LIE, 1),
  });
  assert.ok(early && early !== 'open');
  assert.deepEqual([early.outliers, early.majority], [[], true]);
  assert.ok(!asked.has(D), 'a fourth is not troubled');
});

test('F82 where two contradict each other and nobody else was asked, a third is', async () => {
  const { verdict, asked } = await hear({
    [A]: answering(LIE, 5),
    [B]: answering(MAPPED, 40),
    [C]: silent,
    [D]: answering(MAPPED, 30),
  });
  // C is asked already, and silent: its time is up first.
  assert.ok(asked.has(C));
  assert.equal(verdict?.kept.server, A);
  const { verdict: decided } = await hear(
    {
      [A]: answering(LIE, 5),
      [B]: answering(MAPPED, 40),
      [C]: () => [],
      [D]: answering(MAPPED, 30),
    },
    { servers: [A, B, D] },
  );
  assert.equal(decided?.kept.server, D);
});

test('with one configured server, or one that answers, nothing changes', async () => {
  const one = await hear({ [A]: answering(MAPPED, 5) });
  assert.equal(one.early, undefined);
  const others = await hear({ [A]: answering(MAPPED, 5), [B]: silent, [C]: silent });
  assert.equal(others.early, 'open');
  assert.equal(others.verdict, undefined);
});

test('F82 a server that was outvoted is heard last: quick as it is, its answer is used only where nobody else gives one', async () => {
  const distrusted = new Set([A]);
  const servers = { [A]: answering(LIE, 5), [B]: answering(MAPPED, 900), [C]: silent };
  const { run } = setUp(servers, { distrusted });
  const late = await run();
  assert.deepEqual([late.atMs, published(late)], [900, MAPPED]);
  const alone = await setUp({ [A]: answering(LIE, 5), [B]: silent }, { distrusted }).run();
  assert.equal(published(alone), LIE);
  assert.equal((await setUp({ [A]: answering(LIE, 5) }, { distrusted }).run()).atMs, 5, 'nobody else is there');
});

test('F82 an address of the tunnel itself is refused: no server outside can have seen us there', async () => {
  const options = { ownAddresses: ['192.168.1.2', '10.99.0.1'], tunnelAddresses: ['10.99.0.1'] };
  const { run } = setUp({ [A]: answering('10.99.0.1:51820', 5), [B]: answering(MAPPED, 40) }, options);
  const outcome = await run();
  assert.equal(published(outcome), MAPPED);
  assert.match(outcome.value?.failures.get(A)?.message ?? '', /an address of the tunnel itself, 10\.99\.0\.1:51820/);
  const alone = await setUp({ [A]: answering('10.99.0.1:51820', 5) }, options).run();
  assert.equal((alone.error as StunmeshError).code, 'ERR_STUN_REFUSED');
});
