/** The circuit: a store that fails again and again is left alone, asked by one call at a time, and used again at its first answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { breakIt, down, failure, free, guard, KEY, key, longest, OTHER } from './broken-store.js';

const HOUR = 3_600_000;

test('five failures in a row open the circuit: calls fail at once, with the cause and the time of the next try', async () => {
  const g = guard();
  assert.deepEqual(g.store.health, { state: 'up' });
  await breakIt(g);
  assert.equal(g.calls.length, 5);
  const error = await failure(g.store.get(KEY, free));
  assert.equal(g.calls.length, 5);
  assert.equal(error.code, 'ERR_STORE_UNAVAILABLE');
  assert.ok((error.retryAfterMs ?? 0) >= 800 && (error.retryAfterMs ?? 0) <= 1200, String(error.retryAfterMs));
  assert.equal(error.message.match(/store "test"/g)?.length, 1, 'the store is named once');
  assert.match(error.message, /store "test": get a{40} was not tried.*5 calls.*due in \d s.*connection refused/);
  const { state, retryAt } = g.store.health;
  assert.deepEqual([state, retryAt], ['down', g.clock.wallNow() + (error.retryAfterMs ?? 0)]);
  assert.equal((await failure(g.store.set(OTHER, 'ab', free))).code, 'ERR_STORE_UNAVAILABLE');
  assert.equal(g.calls.length, 5);
  assert.equal(g.store.counters.failures, 7);
  assert.equal(g.store.counters.lastError?.message.includes('was not tried'), false);
});

test('the first success closes it; opening and closing are said once each', async () => {
  const g = guard();
  await breakIt(g);
  for (let i = 0; i < 20; i += 1) await failure(g.store.get(KEY, free));
  g.memory.failure = undefined;
  await g.clock.advance(longest(1000));
  assert.equal(await g.store.get(KEY, free), undefined);
  await g.store.set(KEY, 'ab', free);
  assert.equal(await g.store.get(KEY, free), 'ab');
  assert.deepEqual(g.store.health, { state: 'up' });
  const lines = g.logger
    .text()
    .split('\n')
    .filter((line) => line.includes('store'));
  assert.equal(lines.length, 2, lines.join('\n'));
  assert.match(lines[0] ?? '', /^warn the store does not answer/);
  assert.match(lines[1] ?? '', /^info the store answers again/);
});

test('down for an hour: asked ever more seldom, at most every five minutes, and used again at its first answer', async () => {
  const g = guard();
  await breakIt(g);
  const times: number[] = [];
  for (let second = 0; second < 3600; second += 1) {
    const before = g.calls.length;
    await failure(g.store.get(KEY, free));
    if (g.calls.length > before) times.push(second);
    await g.clock.advance(1000);
  }
  assert.ok(g.calls.length <= 5 + 9 + 3600 / 240, `${g.calls.length} calls`);
  const gaps = times.map((at, i) => at - (times[i - 1] ?? 0));
  assert.ok(
    gaps.every((gap) => gap <= longest(300) + 1),
    gaps.join(' '),
  );
  assert.ok(
    gaps.slice(-5).every((gap) => gap >= 239),
    gaps.join(' '),
  );
  g.memory.failure = undefined;
  await g.clock.advance(longest(300_000));
  await g.store.get(KEY, free);
  assert.deepEqual(g.store.health, { state: 'up' });
  // A new series of failures begins with short pauses.
  await breakIt(g);
  assert.ok(((await failure(g.store.get(KEY, free))).retryAfterMs ?? 0) <= 1200);
});

test('the longest pause shortens while it lasts, as when a peer is lost in the midst of it', async () => {
  const g = guard();
  await breakIt(g);
  for (let i = 0; i < 900; i += 1) {
    await failure(g.store.get(KEY, free));
    await g.clock.advance(1000);
  }
  await g.clock.advance(longest(300_000));
  await failure(g.store.get(KEY, free));
  const before = g.calls.length;
  await g.clock.advance(longest(15_000));
  await failure(g.store.get(KEY, free));
  assert.equal(g.calls.length, before);
  g.most.ms = 15_000;
  await failure(g.store.get(KEY, free));
  assert.equal(g.calls.length, before + 1);
  assert.ok(((await failure(g.store.get(KEY, free))).retryAfterMs ?? 0) <= longest(15_000));
});

test('F35 a store that says when to come back is not asked sooner', async () => {
  const g = guard();
  await breakIt(g, new StunmeshError('ERR_STORE_UNAVAILABLE', 'too many requests', { retryAfterMs: 60_000 }));
  const error = await failure(g.store.get(KEY, free));
  assert.equal(error.retryAfterMs, 60_000);
  await g.clock.advance(59_000);
  await failure(g.store.get(KEY, free));
  assert.equal(g.calls.length, 5);
  await g.clock.advance(1_000);
  await failure(g.store.get(KEY, free));
  assert.equal(g.calls.length, 6);
});

test('what is refused for what it is opens nothing, and neither does a plugin that calls an absent record a failure', async () => {
  for (const code of ['ERR_STORE_TOO_LARGE', 'ERR_STORE_INPUT', 'ERR_EXEC_FAILED', 'ERR_EXEC_OUTPUT'] as const) {
    const g = guard();
    g.memory.failure = new StunmeshError(code, 'no');
    for (let i = 0; i < 20; i += 1) await failure(g.store.get(KEY, free));
    assert.equal(g.calls.length, 20, code);
    assert.deepEqual(g.store.health, { state: 'up' }, code);
  }
  const g = guard();
  for (let i = 0; i < 20; i += 1) await failure(g.store.set(KEY, 'nothing', free));
  assert.deepEqual([g.calls.length, g.store.health.state], [0, 'up']);
  g.memory.failure = new StunmeshError('ERR_EXEC_FAILED', 'exited with status 1');
  for (let i = 0; i < 20; i += 1) await failure(g.store.set(KEY, 'ab', free));
  assert.deepEqual([g.calls.length, g.store.health.state], [5, 'down']);
});

test('a store that is down for long is not asked for its traits either', async () => {
  let asked = 0;
  const g = guard({
    async describe() {
      asked += 1;
      throw down();
    },
  });
  await breakIt(g);
  for (let minute = 0; minute < HOUR / 60_000; minute += 1) {
    await failure(g.store.get(KEY, free));
    await g.clock.advance(60_000);
  }
  assert.ok(asked <= 2, `${asked} times`);
});

test('an absent record that a plugin calls a failure does not keep the write behind it away for ever', async () => {
  const state = { down: true };
  const failing = (code: 'ERR_STORE_UNAVAILABLE' | 'ERR_EXEC_FAILED') => Promise.reject(new StunmeshError(code, 'no'));
  const { store, clock, calls } = guard({
    get: () => failing(state.down ? 'ERR_STORE_UNAVAILABLE' : 'ERR_EXEC_FAILED'),
    set: () => (state.down ? failing('ERR_STORE_UNAVAILABLE') : Promise.resolve()),
  });
  for (let i = 0; i < 6; i += 1) await store.get(key(i), free).catch(() => undefined);
  assert.equal(store.health.state, 'down');
  state.down = false;
  // As a host does that looks for its own record before it writes one.
  for (let i = 0; i < 20 && store.health.state === 'down'; i += 1) {
    await clock.advance(10_000);
    await store.get(KEY, free).catch(() => undefined);
    await store.set(KEY, 'ab12', free).catch(() => undefined);
  }
  assert.equal(store.health.state, 'up');
  assert.ok(calls.includes(`set ${KEY[0]}`));
});
