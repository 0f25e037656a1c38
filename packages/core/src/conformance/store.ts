/** What every store does, whatever is behind it: the contract of api/store as a list of cases. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type CallOptions, isStunmeshError, type Store, type StoreTraits, type WatchListener } from '../api/index.js';
import { createSystemClock } from '../runtime/system-clock.js';
import type { ConformanceCase } from './case.js';

export interface StoreHarness {
  /** A fresh instance over the same backend each time; the case closes it. */
  open(): Promise<Store>;
  readonly traits: StoreTraits;
  /** False where the store cannot tell absent from failed (exec protocol 0): such a get may reject. */
  readonly tellsAbsent?: boolean;
  /** How many records the case "many at once" uses; a backend that counts calls wants few. Default 12. */
  readonly many?: number;
  /** How long a call may take after its signal aborted, and a change until it is seen, in milliseconds. Default 5000. */
  readonly patienceMs?: number;
  /** True when the backend cannot be reached by the instance that this makes: nothing may happen at open (F32). */
  openUnreachable?(): Promise<Store>;
  /** Called with each key that a case uses (to clean up after). */
  onKey?(key: string): void;
}

type Result = { readonly skipped: string } | undefined;

/** Gives a value of `length` hex digits. */
const hex = (length: number): string =>
  randomBytes(Math.ceil(length / 2))
    .toString('hex')
    .slice(0, length);

const clock = createSystemClock();
const free: CallOptions = { signal: new AbortController().signal };

/** The cases, in an order in which the first failure tells most. Each opens and closes its own instances. */
export function storeCases(harness: StoreHarness): ConformanceCase[] {
  const { traits, tellsAbsent = true, many = 12, patienceMs = 5000 } = harness;

  const newKey = (): string => {
    const key = randomBytes(20).toString('hex');
    harness.onKey?.(key);
    return key;
  };

  const withStore = async (run: (store: Store) => Promise<Result>): Promise<Result> => {
    const store = await harness.open();
    try {
      return await run(store);
    } finally {
      await store[Symbol.asyncDispose]();
    }
  };

  /** Fails when `promise` is not over in time. */
  const soon = async <T>(promise: Promise<T>, what: string): Promise<T> => {
    using limit = clock.deadline(patienceMs);
    const late = new Promise<never>((_resolve, reject) => {
      const fail = () => reject(new assert.AssertionError({ message: `${what}: not within ${patienceMs} ms` }));
      limit.signal.addEventListener('abort', fail, { once: true });
    });
    return await Promise.race([promise, late]);
  };

  const expectAbsent = async (store: Store, key: string): Promise<void> => {
    if (tellsAbsent) {
      assert.equal(await store.get(key, free), undefined, 'a key that was never set must read as undefined');
      return;
    }
    const value = await store.get(key, free).catch((error: unknown) => {
      assert.ok(isStunmeshError(error), `rejected with something that is no StunmeshError: ${String(error)}`);
      return undefined;
    });
    assert.equal(value, undefined, 'a key that was never set must not have a value');
  };

  const rejects = async (promise: Promise<unknown>, what: string): Promise<unknown> =>
    soon(
      promise.then(
        () => assert.fail(`${what} must reject`),
        (error: unknown) => error,
      ),
      what,
    );

  const skip = (skipped: string): Result => ({ skipped });
  const one = (name: string, run: (store: Store) => Promise<Result>): ConformanceCase => ({
    name,
    run: () => withStore(run),
  });

  return [
    one('an absent key reads as absent (F33)', async (store) => {
      await expectAbsent(store, newKey());
      return undefined;
    }),

    one('what was set is read back', async (store) => {
      const [key, value] = [newKey(), hex(280)];
      await store.set(key, value, free);
      assert.equal(await store.get(key, free), value);
      return undefined;
    }),

    one('a second value replaces the first, also by a shorter one', async (store) => {
      const [key, long, short] = [newKey(), hex(280), hex(120)];
      await store.set(key, long, free);
      await store.set(key, short, free);
      assert.equal(await store.get(key, free), short);
      return undefined;
    }),

    one('setting the same value twice is accepted', async (store) => {
      const [key, value] = [newKey(), hex(136)];
      await store.set(key, value, free);
      await store.set(key, value, free);
      assert.equal(await store.get(key, free), value);
      return undefined;
    }),

    one('keys are kept apart', async (store) => {
      const [a, b, never] = [newKey(), newKey(), newKey()];
      const [x, y] = [hex(136), hex(136)];
      await store.set(a, x, free);
      await store.set(b, y, free);
      assert.equal(await store.get(a, free), x);
      assert.equal(await store.get(b, free), y);
      await expectAbsent(store, never);
      return undefined;
    }),

    {
      name: 'another instance reads what one has set',
      async run() {
        const [key, value] = [newKey(), hex(200)];
        await withStore(async (store) => {
          await store.set(key, value, free);
          return undefined;
        });
        return withStore(async (store) => {
          assert.equal(await store.get(key, free), value);
          return undefined;
        });
      },
    },

    one('a value of the largest size is kept whole', async (store) => {
      const [key, value] = [newKey(), hex(traits.maxValueBytes)];
      await store.set(key, value, free);
      assert.ok(
        (await store.get(key, free)) === value,
        `a value of ${value.length} characters did not come back whole`,
      );
      return undefined;
    }),

    one('many calls at once do not disturb each other', async (store) => {
      const records = Array.from({ length: many }, () => [newKey(), hex(150)] as const);
      await Promise.all(records.map(([key, value]) => store.set(key, value, free)));
      const read = await Promise.all(records.map(([key]) => store.get(key, free)));
      assert.deepEqual(
        read,
        records.map(([, value]) => value),
      );
      return undefined;
    }),

    one('a call whose signal has aborted rejects and changes nothing', async (store) => {
      const [key, value] = [newKey(), hex(136)];
      await store.set(key, value, free);
      const signal = AbortSignal.abort(new Error('given up'));
      await rejects(store.get(key, { signal }), 'get with an aborted signal');
      await rejects(store.set(key, hex(136), { signal }), 'set with an aborted signal');
      assert.equal(await store.get(key, free), value);
      return undefined;
    }),

    one('a call that is aborted under way settles soon', async (store) => {
      const controller = new AbortController();
      const calls = [store.get(newKey(), controller), store.set(newKey(), hex(136), controller)];
      controller.abort(new Error('given up'));
      await soon(Promise.allSettled(calls), 'calls after their abort');
      return undefined;
    }),

    one('a deleted key is absent, and deleting it again is no error', async (store) => {
      if (!store.delete) return skip('the store has no delete');
      const key = newKey();
      await store.set(key, hex(136), free);
      await store.delete(key, free);
      await expectAbsent(store, key);
      await store.delete(key, free);
      return undefined;
    }),

    one('getMany agrees with get, and leaves absent keys out', async (store) => {
      if (!store.getMany) return skip('the store has no getMany');
      const [a, b, never] = [newKey(), newKey(), newKey()];
      const [x, y] = [hex(136), hex(150)];
      await store.set(a, x, free);
      await store.set(b, y, free);
      const found = await store.getMany(tellsAbsent ? [a, never, b] : [a, b], free);
      assert.deepEqual(new Map(found), new Map(Object.entries({ [a]: x, [b]: y })));
      assert.deepEqual(new Map(await store.getMany([], free)), new Map());
      return undefined;
    }),

    one('setMany agrees with set', async (store) => {
      if (!store.setMany) return skip('the store has no setMany');
      const records = new Map([
        [newKey(), hex(136)],
        [newKey(), hex(150)],
      ]);
      assert.deepEqual(new Map(await store.setMany(records, free)), new Map(), 'setMany must report failures only');
      for (const [key, value] of records) assert.equal(await store.get(key, free), value);
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
        await second.set(other, hex(136), free);
        // Three rounds: a store may report a key once when it begins to watch it.
        for (let round = 1; round <= 3; round += 1) {
          const value = hex(136);
          const news = new Promise<void>((resolve) => {
            wake = resolve;
          });
          await second.set(key, value, free);
          await soon(news, `news of change ${round}`);
          assert.equal(await store.get(key, free), value);
        }
        await watch[Symbol.asyncDispose]();
        heard = 0;
        await second.set(key, hex(136), free);
        await second.get(key, free);
        assert.equal(heard, 0, 'a disposed watch still called back');
        return undefined;
      });
    }),

    {
      name: 'opening does nothing that could fail (F32)',
      async run() {
        if (!harness.openUnreachable) return skip('no unreachable backend at hand');
        const store = await soon(harness.openUnreachable(), 'open');
        await store[Symbol.asyncDispose]();
        return undefined;
      },
    },

    {
      name: 'close may be called twice, and calls after it reject',
      async run() {
        const store = await harness.open();
        await store[Symbol.asyncDispose]();
        await store[Symbol.asyncDispose]();
        await rejects(store.get(newKey(), free), 'get after close');
        await rejects(store.set(newKey(), hex(136), free), 'set after close');
        return undefined;
      },
    },
  ];
}
