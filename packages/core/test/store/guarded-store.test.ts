import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type CallOptions,
  hasCode,
  isStunmeshError,
  type Store,
  StunmeshError,
  type WatchListener,
} from '#src/api/index.js';
import { type GuardedStore, guardStore } from '#src/store/guarded-store.js';
import { createFakeClock, type FakeClock, settle } from '#src/testing/fake-clock.js';
import { countListeners } from '#src/testing/listener-count.js';
import { createMemoryLogger } from '#src/testing/memory-logger.js';
import { createMemoryStore } from '#src/testing/memory-store.js';

const KEY = 'a'.repeat(40);
const OTHER = 'b'.repeat(40);
const free: CallOptions = { signal: new AbortController().signal };
const key = (n: number): string => n.toString(16).padStart(40, '0');

interface Guarded {
  readonly store: GuardedStore;
  readonly clock: FakeClock;
  readonly logger: ReturnType<typeof createMemoryLogger>;
}

/** A memory store with some members replaced, behind a guard of 1 s. */
function guard(replaced: Partial<Store> = {}, maxValueBytes = 100): Guarded {
  const clock = createFakeClock();
  const logger = createMemoryLogger();
  const store = Object.assign(createMemoryStore(), replaced);
  const traits = { maxValueBytes, minPollMs: 500 };
  return { store: guardStore({ name: 'test', store, traits, timeoutMs: 1000, clock, logger }), clock, logger };
}

const failure = (promise: Promise<unknown>): Promise<StunmeshError> =>
  promise.then(
    () => assert.fail('resolved'),
    (error: unknown) => {
      assert.ok(isStunmeshError(error), String(error));
      return error;
    },
  );

/** A call that never settles unless its signal does it. */
const hang = (signal?: AbortSignal) =>
  new Promise<never>((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));

test('a value goes through and comes back, an absent one is undefined', async () => {
  const { store } = guard();
  assert.equal(await store.get(KEY, free), undefined);
  await store.set(KEY, 'abcd', free);
  assert.equal(await store.get(KEY, free), 'abcd');
  await store.delete?.(KEY, free);
  assert.equal(await store.get(KEY, free), undefined);
  assert.deepEqual(store.counters, { gets: 3, sets: 1, failures: 0, lastCallMs: 0 });
});

test('F31 a store that ignores its signal is abandoned on time, with store, call and limit named', async () => {
  const { store, clock } = guard({ get: () => hang(), set: () => hang() });
  const get = failure(store.get(KEY, free));
  const set = failure(store.set(OTHER, 'abcd', free));
  await clock.advance(999);
  assert.equal(store.counters.failures, 0);
  await clock.advance(1);
  const error = await get;
  assert.equal(error.code, 'ERR_DEADLINE');
  assert.match(error.message, /store "test".*get a{40}.*1000 ms/);
  assert.match((await set).message, /set b{40}/);
  assert.equal(store.counters.failures, 2);
  assert.equal(store.counters.lastError?.code, 'ERR_DEADLINE');
  assert.equal(clock.pending, 0);
});

test('F31 a deadline is told as one also when the store answers its signal with something else', async () => {
  const { store, clock } = guard({
    get: (_key, { signal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('ouch')))),
  });
  const get = failure(store.get(KEY, free));
  await clock.advance(1000);
  assert.equal((await get).code, 'ERR_DEADLINE');
});

test('waiting for a turn does not use up the deadline of a call (F14)', async () => {
  const clockOf: { clock?: FakeClock } = {};
  const { store, clock } = guard({ get: async () => clockOf.clock?.sleep(900).then(() => 'ab') });
  clockOf.clock = clock;
  const all = Array.from({ length: 24 }, (_, i) => store.get(key(i), free));
  await clock.advance(2700);
  assert.deepEqual(new Set(await Promise.all(all)), new Set(['ab']));
});

test('F37 keys that are not 40 lower-case hex digits and values that are not hex never reach the store', async () => {
  let calls = 0;
  const count = async () => {
    calls += 1;
    return undefined;
  };
  const { store } = guard({ get: count, set: count, delete: count });
  for (const bad of ['', 'a'.repeat(39), 'A'.repeat(40), `${KEY}\n`, '../etc/passwd', '$(reboot)']) {
    assert.equal((await failure(store.get(bad, free))).code, 'ERR_STORE_INPUT');
    assert.equal((await failure(store.set(bad, 'ab', free))).code, 'ERR_STORE_INPUT');
    assert.equal((await failure(store.delete?.(bad, free) ?? Promise.resolve())).code, 'ERR_STORE_INPUT');
    assert.equal(
      (await failure(store.watch?.([bad], { change() {}, fault() {} }, free) ?? Promise.resolve())).code,
      'ERR_STORE_INPUT',
    );
    assert.ok(hasCode((await store.getMany([bad], free)).get(bad), 'ERR_STORE_INPUT'));
    assert.ok(hasCode((await store.setMany(new Map([[bad, 'ab']]), free)).get(bad), 'ERR_STORE_INPUT'));
  }
  for (const bad of ['', 'ab\n', "'; reboot", 'zz']) {
    const error = await failure(store.set(KEY, bad, free));
    assert.equal(error.code, 'ERR_STORE_INPUT');
    assert.ok(bad === '' || !error.message.includes(bad));
  }
  assert.equal(calls, 0);
});

test('a value above the size of the store is refused, what it answers above that or of another type is an error', async () => {
  const answers: unknown[] = ['a'.repeat(101), 7, null, { value: 'ab' }, 'a'.repeat(100)];
  const { store } = guard({ get: async () => answers.shift() as string });
  assert.equal((await failure(store.set(KEY, 'a'.repeat(101), free))).code, 'ERR_STORE_TOO_LARGE');
  await store.set(KEY, 'a'.repeat(100), free);
  assert.equal((await failure(store.get(KEY, free))).code, 'ERR_STORE_TOO_LARGE');
  for (const found of ['number', 'null', 'object']) {
    const error = await failure(store.get(KEY, free));
    assert.equal(error.code, 'ERR_STORE_INTERNAL');
    assert.match(error.message, new RegExp(found));
  }
  assert.equal((await store.get(KEY, free))?.length, 100);
});

test('calls on one key keep their order, other keys do not wait for them', async () => {
  const log: string[] = [];
  const gates = new Map<string, () => void>();
  const gated = (what: string) =>
    new Promise<void>((resolve) => {
      log.push(what);
      gates.set(what, resolve);
    });
  const { store } = guard({
    set: (k, value) => gated(`set ${k[0]} ${value}`),
    get: async (k) => {
      await gated(`get ${k[0]}`);
      return 'ab';
    },
  });
  const calls = [store.set(KEY, '01', free), store.get(KEY, free), store.set(KEY, '02', free), store.get(OTHER, free)];
  await settle();
  assert.deepEqual(log, ['set a 01', 'get b']);
  gates.get('set a 01')?.();
  await settle();
  assert.deepEqual(log, ['set a 01', 'get b', 'get a']);
  gates.get('get a')?.();
  await settle();
  assert.equal(log.at(-1), 'set a 02');
  gates.get('set a 02')?.();
  gates.get('get b')?.();
  await Promise.all(calls);
});

test('a call that was given up while it waited does not let a later one overtake an earlier one', async () => {
  const gates: (() => void)[] = [];
  const log: string[] = [];
  const { store } = guard({
    set: (_key, value) =>
      new Promise<void>((resolve) => {
        log.push(value);
        gates.push(resolve);
      }),
  });
  const caller = new AbortController();
  const first = store.set(KEY, '01', free);
  const second = failure(store.set(KEY, '02', caller));
  const third = store.set(KEY, '03', free);
  await settle();
  caller.abort();
  const error = await second;
  assert.equal(error.code, 'ERR_CLOSED');
  assert.equal(error.retry, 'later');
  await settle();
  assert.deepEqual(log, ['01']);
  gates[0]?.();
  await settle();
  assert.deepEqual(log, ['01', '03']);
  gates[1]?.();
  await Promise.all([first, third]);
  assert.equal(store.counters.failures, 0);
});

test('F14 at most eight calls run at once and none of a thousand is dropped', async () => {
  let running = 0;
  let most = 0;
  const clockOf: { clock?: FakeClock } = {};
  const { store, clock } = guard({
    async get(k) {
      running += 1;
      most = Math.max(most, running);
      await clockOf.clock?.sleep(1);
      running -= 1;
      return k.slice(-4);
    },
  });
  clockOf.clock = clock;
  const keys = Array.from({ length: 1000 }, (_, i) => key(i));
  const all = store.getMany(keys, free);
  await clock.advance(200);
  const found = await all;
  assert.equal(found.size, 1000);
  assert.equal(found.get(key(999)), key(999).slice(-4));
  assert.equal(most, 8);
  assert.equal(store.counters.gets, 1000);
});

test('F14 hanging calls give their places back at the deadline', async () => {
  const { store, clock } = guard({ get: (k) => (k === KEY ? Promise.resolve('ab') : hang()) });
  const hanging = Array.from({ length: 20 }, (_, i) => failure(store.get(key(i), free)));
  const good = store.get(KEY, free);
  await clock.advance(3000);
  assert.equal(await good, 'ab');
  for (const error of await Promise.all(hanging)) assert.equal(error.code, 'ERR_DEADLINE');
});

test('F13 a key that fails does not touch another, one by one and in batches', async () => {
  const broken = async (k: string) => {
    if (k === KEY) throw new Error('broken');
    return 'ab';
  };
  const single = guard({ get: broken, set: async (k) => void (await broken(k)) }).store;
  const batched = guard({
    getMany: async (keys) =>
      new Map(keys.map((k) => [k, k === KEY ? new StunmeshError('ERR_STORE_DENIED', 'no') : 'ab'])),
    setMany: async (records) =>
      new Map(
        [...records.keys()].filter((k) => k === KEY).map((k) => [k, new StunmeshError('ERR_STORE_DENIED', 'no')]),
      ),
  }).store;
  for (const store of [single, batched]) {
    const found = await store.getMany([KEY, OTHER], free);
    assert.ok(found.get(KEY) instanceof StunmeshError);
    assert.equal(found.get(OTHER), 'ab');
    const failures = await store.setMany(
      new Map([
        [KEY, 'ab'],
        [OTHER, 'cd'],
      ]),
      free,
    );
    assert.deepEqual([...failures.keys()], [KEY]);
    assert.match(failures.get(KEY)?.message ?? '', /store "test": set a{40}/);
    assert.deepEqual([store.counters.gets, store.counters.sets, store.counters.failures], [2, 2, 2]);
  }
});

test('F13 a batch that fails as a whole gives each of its keys the error; one odd answer spoils only its own key', async () => {
  const { store } = guard({
    getMany: async (keys) => new Map(keys.map((k) => [k, k === KEY ? (7 as unknown as string) : 'ab'])),
    setMany: async () => {
      throw new Error('everything is broken');
    },
  });
  const found = await store.getMany([KEY, OTHER], free);
  assert.ok(hasCode(found.get(KEY), 'ERR_STORE_INTERNAL'));
  assert.equal(found.get(OTHER), 'ab');
  const failures = await store.setMany(
    new Map([
      [KEY, 'ab'],
      [OTHER, 'ab'],
    ]),
    free,
  );
  assert.deepEqual([...failures.keys()], [KEY, OTHER]);
  const odd = guard({ getMany: async () => undefined as unknown as Map<string, string> }).store;
  assert.ok(hasCode((await odd.getMany([KEY], free)).get(KEY), 'ERR_STORE_INTERNAL'));
});

test('a batch that answers after its deadline changes neither what was returned nor the counters', async () => {
  let answer: (found: Map<string, string>) => void = () => {};
  const { store, clock } = guard({
    getMany: () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
  });
  const reading = store.getMany([KEY, OTHER], free);
  await clock.advance(1000);
  const found = await reading;
  assert.ok(hasCode(found.get(KEY), 'ERR_DEADLINE') && hasCode(found.get(OTHER), 'ERR_DEADLINE'));
  const counters = store.counters;
  answer(new Map([[KEY, 'x'.repeat(1000)]]));
  await settle();
  assert.ok(hasCode(found.get(KEY), 'ERR_DEADLINE'));
  assert.deepEqual(store.counters, counters);
});

test('a batch takes its place among calls on its keys', async () => {
  const log: string[] = [];
  let open: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const { store } = guard({
    async set(_key, value) {
      await gate;
      log.push(value);
    },
    async getMany() {
      log.push('batch');
      return new Map();
    },
  });
  const calls = [store.set(KEY, '01', free), store.getMany([OTHER, KEY], free), store.set(OTHER, '02', free)];
  await settle();
  assert.deepEqual(log, []);
  open();
  await Promise.all(calls);
  assert.deepEqual(log, ['01', 'batch', '02']);
});

test('F34 whatever a store throws becomes a StunmeshError that quotes no record and stays short', async () => {
  const secret = '0123456789abcdef'.repeat(10);
  const thrown: unknown[] = [
    new Error(`could not write ${secret} to the backend`),
    `text ${secret}`,
    new StunmeshError('ERR_STORE_REJECTED', `refused ${secret}`, {
      retryAfterMs: 5000,
      retry: 'later',
      details: { status: 429, body: secret },
      cause: new Error(secret),
    }),
    new Error(`first line\nsecond ${'long '.repeat(100)}`),
    Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
    Object.assign(new Error('open EACCES'), { code: 'EACCES' }),
    undefined,
    new Error(''),
  ];
  const codes: string[] = [];
  for (const reason of thrown) {
    const { store } = guard({
      get: () => {
        throw reason;
      },
    });
    const error = await failure(store.get(KEY, free));
    codes.push(error.code);
    assert.ok(!JSON.stringify([error.message, error.details, error.stack, store.counters]).includes(secret));
    assert.equal(error.cause, undefined);
    assert.ok(!error.message.includes('\n'));
    assert.ok(error.message.length <= 300, error.message);
    assert.match(error.message, /^store "test": get a{40}: ./);
    if (reason instanceof StunmeshError) assert.deepEqual([error.retryAfterMs, error.details['status']], [5000, 429]);
  }
  assert.deepEqual(codes, [
    'ERR_STORE_INTERNAL',
    'ERR_STORE_INTERNAL',
    'ERR_STORE_REJECTED',
    'ERR_STORE_INTERNAL',
    'ERR_STORE_UNAVAILABLE',
    'ERR_STORE_DENIED',
    'ERR_STORE_INTERNAL',
    'ERR_STORE_INTERNAL',
  ]);
});

test('close aborts what is under way and what waits, closes the store once, and refuses later calls', async () => {
  let closes = 0;
  const seen: AbortSignal[] = [];
  const { store } = guard({
    get: (_key, { signal }) => {
      seen.push(signal);
      return hang(signal);
    },
    async [Symbol.asyncDispose]() {
      closes += 1;
    },
  });
  const calls = [KEY, KEY, OTHER].map((k) => failure(store.get(k, free)));
  await settle();
  await Promise.all([store.close(), store.close(), store[Symbol.asyncDispose]()]);
  for (const error of await Promise.all(calls)) assert.equal(error.code, 'ERR_CLOSED');
  assert.equal(closes, 1);
  assert.equal(seen.length, 2);
  assert.ok(seen.every((signal) => signal.aborted));
  assert.equal((await failure(store.get(KEY, free))).code, 'ERR_CLOSED');
  assert.ok(hasCode((await store.getMany([KEY], free)).get(KEY), 'ERR_CLOSED'));
});

test('close does not wait for ever and does not reject', async () => {
  for (const close of [() => hang(), () => Promise.reject(new Error('no'))]) {
    const { store, clock, logger } = guard({ [Symbol.asyncDispose]: close });
    const closing = store.close();
    await clock.advance(1500);
    await closing;
    assert.match(logger.text(), /warn the store did not close cleanly/);
  }
});

test('watch passes on news of its keys, guards the store from its listener, and falls silent when disposed', async () => {
  const inner: { on?: WatchListener; disposed: number } = { disposed: 0 };
  const { store, logger } = guard({
    async watch(_keys, on) {
      inner.on = on;
      return {
        async [Symbol.asyncDispose]() {
          inner.disposed += 1;
        },
      };
    },
  });
  const heard: unknown[] = [];
  const watch = await store.watch?.(
    [KEY],
    {
      change(k, value) {
        heard.push([k, value]);
        if (value === 'ff') throw new Error('listener is broken');
      },
      fault: (error) => heard.push(error.code),
    },
    free,
  );
  inner.on?.change(KEY);
  inner.on?.change(OTHER, 'ab');
  inner.on?.change(KEY, 'ab');
  inner.on?.change(KEY, 'a'.repeat(101));
  inner.on?.change(KEY, 'ff');
  inner.on?.fault(new Error('foreign') as StunmeshError);
  const expected = [[KEY, undefined], [KEY, 'ab'], [KEY, undefined], [KEY, 'ff'], 'ERR_STORE_INTERNAL'];
  assert.deepEqual(heard, expected);
  assert.match(logger.text(), /listener/);
  await watch?.[Symbol.asyncDispose]();
  await watch?.[Symbol.asyncDispose]();
  inner.on?.change(KEY);
  assert.deepEqual(heard, expected);
  assert.equal(inner.disposed, 1);
  assert.equal(guard({ watch: undefined as never }).store.watch, undefined);
});

test('a watch that comes up after its deadline is disposed, and close disposes those that are open', async () => {
  let finish: () => void = () => {};
  let disposed = 0;
  const opened = {
    async [Symbol.asyncDispose]() {
      disposed += 1;
    },
  };
  const slow = guard({
    watch: () =>
      new Promise((resolve) => {
        finish = () => resolve(opened);
      }),
  });
  const on: WatchListener = { change() {}, fault() {} };
  const watching = failure(slow.store.watch?.([KEY], on, free) ?? Promise.resolve());
  await slow.clock.advance(1000);
  assert.equal((await watching).code, 'ERR_DEADLINE');
  finish();
  await settle();
  assert.equal(disposed, 1);

  const { store } = guard({ watch: async () => opened });
  await store.watch?.([KEY], on, free);
  await store.close();
  assert.equal(disposed, 2);
});

test('describe refines the traits', async () => {
  const { store } = guard({ describe: async () => ({ maxValueBytes: 255, expiresAfterMs: 600_000 }) });
  await store.describe?.(free);
  assert.deepEqual(store.traits, { maxValueBytes: 255, minPollMs: 500, expiresAfterMs: 600_000 });
});

test('F32 the traits that only the backend knows are asked for beside the first call, once, and again a minute after a failure', async () => {
  let asked = 0;
  let works = false;
  const { store, clock } = guard({
    describe: async ({ signal }) => {
      asked += 1;
      if (asked === 2) return hang(signal);
      if (!works) throw new Error('not now');
      return { minPollMs: 5000 };
    },
  });
  assert.equal(asked, 0);
  await Promise.all([store.get(KEY, free), store.get(OTHER, free)]);
  await settle();
  await store.get(KEY, free);
  assert.equal(asked, 1);
  assert.equal(store.counters.failures, 0);
  await clock.advance(60_000);
  await store.get(KEY, free);
  await clock.advance(1000);
  assert.deepEqual([asked, store.traits.minPollMs], [2, 500]);
  works = true;
  await clock.advance(60_000);
  await store.set(KEY, 'ab', free);
  await settle();
  assert.deepEqual([asked, store.traits.minPollMs], [3, 5000]);
  await clock.advance(600_000);
  await store.get(KEY, free);
  assert.deepEqual([asked, clock.pending], [3, 0]);

  const hung = guard({ describe: ({ signal }) => hang(signal) });
  await hung.store.get(KEY, free);
  await hung.store.close();
  await settle();
  assert.equal(hung.clock.pending, 0);
  await failure(hung.store.get(KEY, free));
});

test('thousands of calls with one long-lived signal leave no listener and no timer behind', async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  const { store, clock } = guard();
  const { signal } = new AbortController();
  const listeners = countListeners(signal);
  for (let round = 0; round < 5; round += 1) {
    await store.setMany(new Map(Array.from({ length: 300 }, (_, i) => [key(i), 'ab'])), { signal });
    await store.getMany(
      Array.from({ length: 300 }, (_, i) => key(i)),
      { signal },
    );
  }
  await settle();
  process.off('warning', onWarning);
  assert.equal(listeners(), 0);
  assert.equal(clock.pending, 0);
  assert.deepEqual(warnings, []);
});
