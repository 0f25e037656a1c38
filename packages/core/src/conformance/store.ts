/** What every store does, whatever is behind it: the contract of api/store as a list of cases. */
import assert from 'node:assert/strict';
import type { CallOptions, Store, WatchListener } from '../api/index.js';
import type { ConformanceCase } from './case.js';
import { expectAbsent, expectRejection, expectSame, expectValue, free, randomHex, soon } from './store-checks.js';
import { componentCases } from './store-components.js';
import type { StoreHarness } from './store-harness.js';

type Result = { readonly skipped: string } | undefined;

/** The cases, in an order in which the first failure tells most. Each opens and closes its own instances. */
export function storeCases(harness: StoreHarness): ConformanceCase[] {
  const { traits, absentCode, many = 12, patienceMs = 5000 } = harness;

  const absentKey = (): string => randomHex(40);
  let used = 0;
  const newKey = (): string => {
    used += 1;
    return harness.keys?.[used % harness.keys.length] ?? randomHex(40);
  };

  const withStore = async (run: (store: Store) => Promise<Result>): Promise<Result> => {
    const store = await harness.open();
    try {
      return await run(store);
    } finally {
      await store[Symbol.asyncDispose]();
    }
  };

  const { openUnreachable } = harness;
  const lazy: ConformanceCase | undefined = openUnreachable && {
    name: 'opening does nothing that could fail (F32)',
    async run() {
      const store = await soon(openUnreachable(), 'open', patienceMs);
      await store[Symbol.asyncDispose]();
      return undefined;
    },
  };

  const skip = (skipped: string): Result => ({ skipped });
  const one = (name: string, run: (store: Store) => Promise<Result>): ConformanceCase => ({
    name,
    run: () => withStore(run),
  });

  return [
    ...(lazy ? [lazy] : []),

    one('an absent key reads as absent (F33)', async (store) => {
      const told = await expectAbsent(store, absentKey(), absentCode);
      return told ? undefined : skip('an absent key is reported as a failure; an empty value would tell the two apart');
    }),

    one('what was set is read back', async (store) => {
      const [key, value] = [newKey(), randomHex(250)];
      await store.set(key, value, free);
      await expectValue(store, key, value);
      return undefined;
    }),

    one('a second value replaces the first, also by a shorter one', async (store) => {
      const [key, long, short] = [newKey(), randomHex(250), randomHex(120)];
      await store.set(key, long, free);
      await store.set(key, short, free);
      await expectValue(store, key, short);
      return undefined;
    }),

    one('setting the same value twice is accepted', async (store) => {
      const [key, value] = [newKey(), randomHex(136)];
      await store.set(key, value, free);
      await store.set(key, value, free);
      await expectValue(store, key, value);
      return undefined;
    }),

    one('keys are kept apart', async (store) => {
      const [a, b, never] = [newKey(), newKey(), absentKey()];
      const [x, y] = [randomHex(136), randomHex(136)];
      await store.set(a, x, free);
      await store.set(b, y, free);
      await expectValue(store, a, x);
      await expectValue(store, b, y);
      await expectAbsent(store, never, absentCode);
      return undefined;
    }),

    {
      name: 'another instance reads what one has set',
      async run() {
        const [key, value] = [newKey(), randomHex(200)];
        await withStore(async (store) => {
          await store.set(key, value, free);
          return undefined;
        });
        return withStore(async (store) => {
          await expectValue(store, key, value);
          return undefined;
        });
      },
    },

    one('a value of the largest size is kept whole', async (store) => {
      const [key, value] = [newKey(), randomHex(traits.maxValueBytes)];
      await store.set(key, value, free);
      await expectValue(store, key, value);
      return undefined;
    }),

    one('many calls at once do not disturb each other', async (store) => {
      const records = Array.from({ length: many }, () => [newKey(), randomHex(150)] as const);
      const own = (): CallOptions => ({ signal: new AbortController().signal });
      await Promise.all(records.map(([key, value]) => store.set(key, value, own())));
      const read = await Promise.all(records.map(([key]) => store.get(key, own())));
      for (const [index, [, value]] of records.entries()) expectSame(read[index], value);
      return undefined;
    }),

    one('a call whose signal has aborted rejects and changes nothing', async (store) => {
      const [key, value] = [newKey(), randomHex(136)];
      await store.set(key, value, free);
      const signal = AbortSignal.abort(new Error('given up'));
      await expectRejection(store.get(key, { signal }), 'get with an aborted signal', patienceMs);
      await expectRejection(store.set(key, randomHex(136), { signal }), 'set with an aborted signal', patienceMs);
      await expectValue(store, key, value);
      return undefined;
    }),

    one('a call that is aborted under way settles soon', async (store) => {
      const controller = new AbortController();
      const calls = [store.get(absentKey(), controller), store.set(newKey(), randomHex(136), controller)];
      controller.abort(new Error('given up'));
      await soon(Promise.allSettled(calls), 'calls after their abort', patienceMs);
      return undefined;
    }),

    one('a deleted key is absent, and deleting it again is no error', async (store) => {
      if (!store.delete) return skip('the store has no delete');
      const key = newKey();
      await store.set(key, randomHex(136), free);
      await store.delete(key, free);
      await expectAbsent(store, key, absentCode);
      await store.delete(key, free);
      return undefined;
    }),

    one('getMany agrees with get, and leaves absent keys out', async (store) => {
      if (!store.getMany) return skip('the store has no getMany');
      const [a, b, never] = [newKey(), newKey(), absentKey()];
      const [x, y] = [randomHex(136), randomHex(150)];
      await store.set(a, x, free);
      await store.set(b, y, free);
      const found = await store.getMany(absentCode === undefined ? [a, never, b] : [a, b], free);
      assert.deepEqual([...found.keys()].sort(), [a, b].sort(), 'getMany must hold the keys that have a value');
      for (const [key, value] of [
        [a, x],
        [b, y],
      ] as const) {
        const answer = found.get(key);
        if (typeof answer === 'object') throw answer;
        expectSame(answer, value);
      }
      assert.equal((await store.getMany([], free)).size, 0, 'getMany of no keys must be empty');
      return undefined;
    }),

    one('setMany agrees with set', async (store) => {
      if (!store.setMany) return skip('the store has no setMany');
      const records = new Map([
        [newKey(), randomHex(136)],
        [newKey(), randomHex(150)],
      ]);
      assert.deepEqual(new Map(await store.setMany(records, free)), new Map(), 'setMany must report failures only');
      for (const [key, value] of records) await expectValue(store, key, value);
      return undefined;
    }),

    one('watch tells of a change that another instance made, and falls silent when disposed', async (store) => {
      if (!store.watch) return skip('the store has no watch');
      const [key, other] = [newKey(), newKey()];
      let heard = 0;
      let wake: () => void = () => {};
      const on: WatchListener = {
        change(name) {
          assert.equal(name, key, 'news of a key that nobody asked for');
          heard += 1;
          wake();
        },
        fault: () => {},
      };
      const watch = await store.watch([key], on, free);
      return withStore(async (second) => {
        await second.set(other, randomHex(136), free);
        // Three rounds: a store may report a key once when it begins to watch it.
        for (let round = 1; round <= 3; round += 1) {
          const value = randomHex(136);
          const news = new Promise<void>((resolve) => {
            wake = resolve;
          });
          await second.set(key, value, free);
          await soon(news, `news of change ${round}`, patienceMs);
          await expectValue(store, key, value);
        }
        await watch[Symbol.asyncDispose]();
        heard = 0;
        await second.set(key, randomHex(136), free);
        await second.get(key, free);
        assert.equal(heard, 0, 'a disposed watch still called back');
        return undefined;
      });
    }),

    one('watch tells of a change that this instance made itself', async (store) => {
      if (!store.watch) return skip('the store has no watch');
      const [key, value] = [newKey(), randomHex(64)];
      let told: () => void = () => {};
      const news = new Promise<boolean>((resolve) => {
        told = () => resolve(true);
      });
      await using watch = await store.watch([key], { change: () => told(), fault: () => {} }, free);
      if (watch.incomplete !== undefined) return skip(`its watch says that it is incomplete: ${watch.incomplete}`);
      await store.set(key, value, free);
      const heard = await soon(news, 'news of its own change', patienceMs).catch(() => false);
      return heard
        ? undefined
        : skip('changes of its own are not told: the host takes the watch for silent, and polls');
    }),

    one('what it remarks on itself has a remedy, and looking changes nothing', async (store) => {
      if (!store.examine) return skip('the store examines nothing');
      const [key, value] = [newKey(), randomHex(136)];
      await store.set(key, value, free);
      for (const { text, remedy } of await store.examine(free))
        assert.ok(text !== '' && remedy !== '', 'a remark must have a text and a remedy');
      await expectValue(store, key, value);
      return undefined;
    }),

    ...componentCases(harness, newKey),

    {
      name: 'close may be called twice, and calls after it reject',
      async run() {
        const store = await harness.open();
        await store[Symbol.asyncDispose]();
        await store[Symbol.asyncDispose]();
        await expectRejection(store.get(absentKey(), free), 'get after close', patienceMs);
        await expectRejection(store.set(newKey(), randomHex(136), free), 'set after close', patienceMs);
        return undefined;
      },
    },
  ];
}
