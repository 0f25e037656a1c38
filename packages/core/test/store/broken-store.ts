/** A guarded store whose back end can be broken, counts the calls that reach it, and whose longest pause a test sets. */
import assert from 'node:assert/strict';
import { type CallOptions, isStunmeshError, type Store, StunmeshError } from '#src/api/index.js';
import { type GuardedStore, guardStore } from '#src/store/guarded-store.js';
import { createFakeClock, type FakeClock } from '#src/testing/fake-clock.js';
import { createMemoryLogger, type MemoryLogger } from '#src/testing/memory-logger.js';
import { createMemoryStore, type MemoryStore } from '#src/testing/memory-store.js';

export const KEY = 'a'.repeat(40);

export const OTHER = 'b'.repeat(40);

export const free: CallOptions = { signal: new AbortController().signal };

export const key = (n: number): string => n.toString(16).padStart(40, '0');

/** A pause is scattered by a fifth. */
export const longest = (ms: number) => Math.ceil(1.2 * ms);

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

export function guard(replaced: Partial<Store> = {}): Guarded {
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

export const down = () => new StunmeshError('ERR_STORE_UNAVAILABLE', 'connection refused');

export const failure = (promise: Promise<unknown>): Promise<StunmeshError> =>
  promise.then(
    () => assert.fail('resolved'),
    (error: unknown) => {
      assert.ok(isStunmeshError(error), String(error));
      return error;
    },
  );

/** Reads until the circuit opens. */
export async function breakIt({ store, memory }: Guarded, error: Error = down()): Promise<void> {
  memory.failure = error;
  for (let i = 0; i < 5; i += 1) await failure(store.get(KEY, free));
}
