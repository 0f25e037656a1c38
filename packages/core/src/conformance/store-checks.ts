/** What the cases for stores have in common: random values, limits of time, and comparisons that say in words what is wrong. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type CallOptions, hasCode, type Store } from '../api/index.js';
import { createSystemClock } from '../runtime/system-clock.js';

/** Options of a call that nobody gives up. */
export const free: CallOptions = { signal: new AbortController().signal };

const clock = createSystemClock();

/** `length` random hex digits. */
export function randomHex(length: number): string {
  return randomBytes(Math.ceil(length / 2))
    .toString('hex')
    .slice(0, length);
}

/** Fails when `promise` is not over in time. */
export async function soon<T>(promise: Promise<T>, what: string, ms: number): Promise<T> {
  using limit = clock.deadline(ms);
  const late = new Promise<never>((_resolve, reject) => {
    const fail = () => reject(new assert.AssertionError({ message: `${what}: not within ${ms} ms` }));
    limit.signal.addEventListener('abort', fail, { once: true });
  });
  return await Promise.race([promise, late]);
}

/** Fails unless `promise` rejects, and in time. */
export async function expectRejection(promise: Promise<unknown>, what: string, ms: number): Promise<void> {
  const rejected = await soon(
    promise.then(
      () => false,
      () => true,
    ),
    what,
    ms,
  );
  assert.ok(rejected, `${what} must reject`);
}

/** Fails unless the key has this value; says what it has instead without printing it. */
export async function expectValue(store: Store, key: string, value: string): Promise<void> {
  expectSame(await store.get(key, free), value);
}

/** Fails unless `found`, which a store answered, is `value`. */
export function expectSame(found: string | undefined, value: string): void {
  if (found === value) return;
  assert.fail(`get must return what was set, ${value.length} characters; it returned ${difference(found, value)}`);
}

function difference(found: string | undefined, value: string): string {
  if (found === undefined) return 'nothing, as for an absent key';
  if (typeof found !== 'string') return `a ${typeof found}`;
  if (found.trim() === value) return 'that with white space around it';
  if (found.toLowerCase() === value) return 'that in capital letters';
  if (value.startsWith(found)) return `only the first ${found.length} of them`;
  return `${found.length} other characters`;
}

/** Fails when the key has a value. Resolves with false where the store reported absent as a failure with `absentCode`. */
export async function expectAbsent(store: Store, key: string, absentCode: string | undefined): Promise<boolean> {
  let value: string | undefined;
  try {
    value = await store.get(key, free);
  } catch (error) {
    if (absentCode === undefined || !hasCode(error, absentCode as `ERR_${string}`)) throw error;
    return false;
  }
  assert.equal(
    value,
    undefined,
    'a key without a value must read as absent (undefined), not as an empty or other value',
  );
  return true;
}
