/** What was opened is closed in reverse order, once, unless it is kept. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRollback } from '#src/runtime/rollback.js';

function parts() {
  const closed: string[] = [];
  const errors: unknown[] = [];
  const part = (name: string, fails = false): AsyncDisposable => ({
    async [Symbol.asyncDispose]() {
      closed.push(name);
      if (fails) throw new Error(name);
    },
  });
  return { closed, errors, part, rollback: createRollback((error) => errors.push(error)) };
}

test('a start that fails halfway closes what it opened, the last first, and lets the error through', async () => {
  const { closed, part, rollback } = parts();
  await assert.rejects(async () => {
    await using all = rollback;
    all.use(part('a'));
    all.defer(async () => {
      closed.push('b');
    });
    all.use(part('c'));
    throw new Error('halfway');
  }, /halfway/);
  assert.deepEqual(closed, ['c', 'b', 'a']);
});

test('what is kept outlives the start, and closes once', async () => {
  const { closed, part, rollback } = parts();
  let kept: AsyncDisposable | undefined;
  {
    await using all = rollback;
    all.use(part('a'));
    kept = all.keep();
    all.use(part('too late to be kept'));
  }
  assert.deepEqual(closed, ['too late to be kept']);
  await kept[Symbol.asyncDispose]();
  await kept[Symbol.asyncDispose]();
  assert.deepEqual(closed, ['too late to be kept', 'a']);
});

test('a part that fails to close is reported and keeps no other open', async () => {
  const { closed, errors, part, rollback } = parts();
  for (const [name, fails] of [
    ['a', false],
    ['b', true],
    ['c', false],
  ] as const)
    rollback.use(part(name, fails));
  await rollback[Symbol.asyncDispose]();
  assert.deepEqual(closed, ['c', 'b', 'a']);
  assert.deepEqual(errors.map(String), ['Error: b']);
});
