/** A memory store behind a guard, with members replaced, and what its tests have in common. */
import assert from 'node:assert/strict';
import { type CallOptions, isStunmeshError, type Store, type StunmeshError } from '#src/api/index.js';
import { type GuardedStore, guardStore } from '#src/store/guarded-store.js';
import { createFakeClock, type FakeClock } from '#src/testing/fake-clock.js';
import { createMemoryLogger } from '#src/testing/memory-logger.js';
import { createMemoryStore } from '#src/testing/memory-store.js';

export const KEY = 'a'.repeat(40);

export const OTHER = 'b'.repeat(40);

export const free: CallOptions = { signal: new AbortController().signal };

export const key = (n: number): string => n.toString(16).padStart(40, '0');

interface Guarded {
  readonly store: GuardedStore;
  readonly clock: FakeClock;
  readonly logger: ReturnType<typeof createMemoryLogger>;
}

/** A memory store with some members replaced, behind a guard of 1 s. */
export function guard(replaced: Partial<Store> = {}, maxValueBytes = 100): Guarded {
  const clock = createFakeClock();
  const logger = createMemoryLogger();
  const store = Object.assign(createMemoryStore(), replaced);
  const traits = { maxValueBytes, minPollMs: 500 };
  return { store: guardStore({ name: 'test', store, traits, timeoutMs: 1000, clock, logger }), clock, logger };
}

export const failure = (promise: Promise<unknown>): Promise<StunmeshError> =>
  promise.then(
    () => assert.fail('resolved'),
    (error: unknown) => {
      assert.ok(isStunmeshError(error), String(error));
      return error;
    },
  );

/** A call that never settles unless its signal does it. */
export const hang = (signal?: AbortSignal) =>
  new Promise<never>((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
