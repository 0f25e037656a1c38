/** The circuit: a store that fails again and again is left alone, asked by one call at a time, and used again at its first answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CallOptions, isStunmeshError, type Store, StunmeshError, type WatchListener } from '#src/api/index.js';
import { type GuardedStore, guardStore } from '#src/store/guarded-store.js';
import { createFakeClock, type FakeClock, settle } from '#src/testing/fake-clock.js';
import { countListeners } from '#src/testing/listener-count.js';
import { createMemoryLogger, type MemoryLogger } from '#src/testing/memory-logger.js';
import { createMemoryStore, type MemoryStore } from '#src/testing/memory-store.js';

const KEY = 'a'.repeat(40);
const OTHER = 'b'.repeat(40);
const free: CallOptions = { signal: new AbortController().signal };
const key = (n: number): string => n.toString(16).padStart(40, '0');
const HOUR = 3_600_000;
/** A pause is scattered by a fifth. */
const longest = (ms: number) => Math.ceil(1.2 * ms);

interface Guarded {
  readonly store: GuardedStore;
  readonly memory: MemoryStore;
  readonly clock: FakeClock;
  readonly logger: MemoryLogger;
  /** Reads and writes that reached the back end. */
  readonly calls: string[];
  /** The longest pause as things stand; tests change it. */
  readonly most: { ms: number };
}

function guard(replaced: Partial<Store> = {}): Guarded {
  const clock = createFakeClock();
  const logger = createMemoryLogger();
  const memory = createMemoryStore();
  const calls: string[] = [];
  const most = { ms: 300_000 };
  const seen: Store = {
    ...memory,
    get(k, o) {
      calls.push(`get ${k[0]}`);
      return (replaced.get ?? memory.get)(k, o);
    },
    set(k, value, o) {
      calls.push(`set ${k[0]}`);
      return (replaced.set ?? memory.set)(k, value, o);
    },
    ...(replaced.getMany ? { getMany: replaced.getMany } : {}),
    ...(replaced.describe ? { describe: replaced.describe } : {}),
  };
  const traits = { maxValueBytes: 100, minPollMs: 500 };
  const store = guardStore({
    name: 'test',
    store: seen,
    traits,
    timeoutMs: 1000,
    clock,
    logger,
    mostPauseMs: () => most.ms,
  });
  return { store, memory, clock, logger, calls, most };
}

const down = () => new StunmeshError('ERR_STORE_UNAVAILABLE', 'connection refused');

const failure = (promise: Promise<unknown>): Promise<StunmeshError> =>
  promise.then(
    () => assert.fail('resolved'),
    (error: unknown) => {
      assert.ok(isStunmeshError(error), String(error));
      return error;
    },
  );

/** Reads until the circuit opens. */
async function breakIt({ store, memory }: Guarded, error: Error = down()): Promise<void> {
  memory.failure = error;
  for (let i = 0; i < 5; i += 1) await failure(store.get(KEY, free));
}

test('five failures in a row open the circuit: calls fail at once, with the cause and the time of the next try', async () => {
  const g = guard();
  assert.deepEqual(g.store.health, { state: 'up' });
  await breakIt(g);
  assert.equal(g.calls.length, 5);
  const error = await failure(g.store.get(KEY, free));
  assert.equal(g.calls.length, 5);
  assert.equal(error.code, 'ERR_STORE_UNAVAILABLE');
  assert.ok((error.retryAfterMs ?? 0) >= 800 && (error.retryAfterMs ?? 0) <= 1200, String(error.retryAfterMs));
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

test('F13 calls that fail together count once: keys that hang do not close the store to the others', async () => {
  const hang = () => new Promise<never>(() => {});
  const g = guard({ get: async (k) => (k === KEY ? 'ab' : hang()) });
  const hanging = Array.from({ length: 30 }, (_, i) => failure(g.store.get(key(i), free)));
  const good = g.store.get(KEY, free);
  await g.clock.advance(4000);
  assert.equal(await good, 'ab');
  await Promise.all(hanging);
  assert.equal(g.store.health.state, 'up');
});

test('one call finds out whether it answers; the others wait for it and go on with it', async () => {
  const gates: (() => void)[] = [];
  let works = false;
  const g = guard({
    async get() {
      if (!works) throw down();
      await new Promise<void>((resolve) => gates.push(resolve));
      return 'ab';
    },
  });
  for (let i = 0; i < 5; i += 1) await failure(g.store.get(KEY, free));
  await g.clock.advance(longest(1000));
  works = true;
  const all = Array.from({ length: 20 }, (_, i) => g.store.get(key(i), free));
  await settle();
  assert.equal(g.calls.length, 6);
  gates.shift()?.();
  await settle();
  assert.equal(g.calls.length, 6 + 8);
  while (gates.length > 0) {
    gates.shift()?.();
    await settle();
  }
  assert.deepEqual(new Set(await Promise.all(all)), new Set(['ab']));

  works = false;
  for (let i = 0; i < 5; i += 1) await failure(g.store.get(KEY, free));
  await g.clock.advance(longest(1000));
  const before = g.calls.length;
  const failures = await Promise.all(Array.from({ length: 20 }, (_, i) => failure(g.store.get(key(i), free))));
  assert.equal(g.calls.length, before + 1);
  assert.equal(failures.filter((error) => error.retryAfterMs !== undefined).length, 19);
});

test('a call that finds out and hangs ends at its deadline; one whose caller gives up leaves the question to the next', async () => {
  let answer: 'fail' | 'hang' | 'good' = 'fail';
  const g = guard({
    get: async () => {
      if (answer === 'fail') throw down();
      return answer === 'good' ? 'ab' : new Promise<never>(() => {});
    },
  });
  for (let i = 0; i < 5; i += 1) await failure(g.store.get(KEY, free));
  await g.clock.advance(longest(1000));
  answer = 'hang';
  const caller = new AbortController();
  const first = failure(g.store.get(KEY, { signal: caller.signal }));
  const second = failure(g.store.get(OTHER, free));
  await settle();
  assert.equal(g.calls.length, 6);
  caller.abort();
  assert.equal((await first).code, 'ERR_CLOSED');
  await settle();
  assert.equal(g.calls.length, 7);
  await g.clock.advance(1000);
  assert.equal((await second).code, 'ERR_DEADLINE');
  assert.equal(g.store.health.state, 'down');
  await g.clock.advance(longest(2000));
  answer = 'good';
  assert.equal(await g.store.get(KEY, free), 'ab');
  assert.equal(g.store.health.state, 'up');
});

test('calls on one key keep their order while the circuit opens and closes', async () => {
  const g = guard();
  await breakIt(g);
  await g.clock.advance(longest(1000));
  g.memory.failure = undefined;
  const results = await Promise.all([
    g.store.set(KEY, '01', free),
    g.store.get(KEY, free),
    g.store.set(KEY, '02', free),
    g.store.get(KEY, free),
  ]);
  assert.deepEqual(results, [undefined, '01', undefined, '02']);
});

test('a batch whose keys all failed counts as a failure, one with an answer in it as an answer', async () => {
  let good = 0;
  let calls = 0;
  const g = guard({
    async getMany(keys) {
      calls += 1;
      return new Map(keys.map((k, i) => [k, i < good ? 'ab' : down()]));
    },
  });
  const read = () => g.store.getMany([KEY, OTHER], free);
  for (let i = 0; i < 4; i += 1) await read();
  good = 1;
  await read();
  good = 0;
  for (let i = 0; i < 5; i += 1) await read();
  assert.equal(calls, 10);
  const found = await read();
  assert.equal(calls, 10);
  assert.equal((found.get(KEY) as StunmeshError).code, 'ERR_STORE_UNAVAILABLE');
  assert.ok((found.get(OTHER) as StunmeshError).retryAfterMs !== undefined);
});

test('news of a record is a sign of life: the next call is made at once', async () => {
  const g = guard();
  let inner: WatchListener | undefined;
  const on: WatchListener = { change: () => undefined, fault: () => undefined };
  const watching = guardStore({
    name: 'test',
    store: {
      ...g.memory,
      watch: async (_keys, listener) => {
        inner = listener;
        return { [Symbol.asyncDispose]: async () => undefined };
      },
    },
    traits: { maxValueBytes: 100, minPollMs: 500 },
    timeoutMs: 1000,
    clock: g.clock,
    logger: g.logger,
  });
  g.memory.failure = down();
  for (let i = 0; i < 6; i += 1) await failure(watching.get(KEY, free));
  assert.equal(watching.health.state, 'down');
  // A watch that begins now is not stopped: it would be missed when the store is back.
  await watching.watch?.([KEY], on, free);
  g.memory.failure = undefined;
  assert.match((await failure(watching.get(KEY, free))).message, /was not tried/);
  inner?.change(KEY);
  assert.equal(await watching.get(KEY, free), undefined);
  assert.equal(watching.health.state, 'up');
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

test('10,000 calls to a store that is down leave no listener and no timer behind', async () => {
  const g = guard();
  g.memory.failure = down();
  const { signal } = new AbortController();
  const listeners = countListeners(signal);
  for (let round = 0; round < 100; round += 1) {
    await Promise.all(Array.from({ length: 100 }, (_, n) => failure(g.store.get(key(n), { signal }))));
    await g.clock.advance(1000);
  }
  assert.equal(g.store.counters.gets, 10_000);
  assert.deepEqual([listeners(), g.clock.pending], [0, 0]);
  await g.store.close();
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
