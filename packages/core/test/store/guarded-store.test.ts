/** One call through the guard: its deadline, its input and output, its place among others, and the end of the store. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, StunmeshError } from '#src/api/index.js';
import { type FakeClock, settle } from '#src/testing/fake-clock.js';
import { failure, free, guard, hang, KEY, key, OTHER } from './guard.js';

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
