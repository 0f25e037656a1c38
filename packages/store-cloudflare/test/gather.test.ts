import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '@stunmesh/core/api';
import { createFakeClock } from '@stunmesh/core/testing';
import { createGather, resultOf } from '#src/gather.js';

const own = (): AbortController => new AbortController();

function setUp() {
  const clock = createFakeClock();
  const runs: { entries: ReadonlyMap<string, string>; signal: AbortSignal; finish: () => void }[] = [];
  const gather = createGather<string, string>({
    clock,
    windowMs: 100,
    run: (entries, signal) =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        runs.push({ entries, signal, finish: () => resolve(new Map([...entries].map(([k, v]) => [k, `${k}${v}`]))) });
      }),
  });
  const call = (key: string, value: string, signal = own().signal) => {
    const result = gather.call(new Map([[key, value]]), signal).then((results) => resultOf(results, key));
    result.catch(() => undefined);
    return result;
  };
  return { clock, runs, gather, call };
}

test('what comes within the window is one batch, what comes while it runs is the next', async () => {
  const { clock, runs, call } = setUp();
  const first = [call('a', '1'), call('b', '1')];
  await clock.advance(99);
  first.push(call('c', '1'), call('a', '2'));
  assert.equal(runs.length, 0);
  await clock.advance(1);
  assert.deepEqual(runs[0]?.entries, new Map(Object.entries({ a: '2', b: '1', c: '1' })));
  const late = call('a', '3');
  await clock.advance(1000);
  assert.equal(runs.length, 1, 'one at a time');
  runs[0]?.finish();
  assert.deepEqual(await Promise.all(first), ['a2', 'b1', 'c1', 'a2']);
  await clock.advance(100);
  assert.deepEqual(runs[1]?.entries, new Map([['a', '3']]));
  runs[1]?.finish();
  assert.equal(await late, 'a3');
  assert.equal(clock.pending, 0);
});

test('a batch goes on while anybody waits for it, and is aborted when nobody does', async () => {
  const { clock, runs, call } = setUp();
  const [one, two] = [own(), own()];
  const calls = [call('a', '1', one.signal), call('b', '1', two.signal)];
  await clock.advance(100);
  one.abort(new Error('one gave up'));
  await assert.rejects(calls[0] ?? assert.fail(), /one gave up/);
  assert.equal(runs[0]?.signal.aborted, false);
  two.abort(new Error('two gave up'));
  await assert.rejects(calls[1] ?? assert.fail(), /two gave up/);
  assert.equal(runs[0]?.signal.aborted, true);
  const next = call('c', '1');
  await clock.advance(100);
  runs[1]?.finish();
  assert.equal(await next, 'c1');
});

test('when all who waited have left before the window ends nothing is run', async () => {
  const { clock, runs, call } = setUp();
  const one = own();
  const given = call('a', '1', one.signal);
  one.abort(new Error('given up'));
  await assert.rejects(given, /given up/);
  await clock.advance(1000);
  assert.equal(runs.length, 0);
  assert.equal(clock.pending, 0);
});

test('a failure of the batch is everybody’s, a failure of a key is its own', async () => {
  const clock = createFakeClock();
  const broken = new StunmeshError('ERR_STORE_DENIED', 'no');
  let whole = true;
  const gather = createGather<string, string>({
    clock,
    windowMs: 10,
    run: async () => {
      if (whole) throw broken;
      return new Map<string, string | StunmeshError>([
        ['a', broken],
        ['b', 'fine'],
      ]);
    },
  });
  const both = () =>
    ['a', 'b', 'c'].map((key) =>
      gather.call(new Map([[key, '']]), own().signal).then((results) => resultOf(results, key)),
    );
  const settledBoth = async () => {
    const settled = Promise.allSettled(both());
    await clock.advance(10);
    return (await settled).map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : 'failed'));
  };
  assert.deepEqual(await settledBoth(), ['failed', 'failed', 'failed']);
  whole = false;
  assert.deepEqual(await settledBoth(), ['failed', 'fine', undefined]);
});

test('closing ends the batch under way and the one that is gathered, and refuses more', async () => {
  const { clock, runs, gather, call } = setUp();
  const first = call('a', '1');
  await clock.advance(100);
  const second = call('b', '1');
  gather[Symbol.dispose]();
  await clock.advance(0);
  for (const promise of [first, second, call('c', '1')]) await assert.rejects(promise, { code: 'ERR_CLOSED' });
  assert.equal(runs.length, 1);
  await clock.advance(1000);
  assert.equal(clock.pending, 0);
});
