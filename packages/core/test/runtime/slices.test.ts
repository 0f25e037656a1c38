import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beginInSlices, inSlices, SLICE, startTurn } from '#src/runtime/slices.js';

/** A clock that counts the turns it was asked for; `take` is what each piece of work is said to take. */
function createClock() {
  const clock = {
    ms: 0,
    turns: 0,
    now: () => clock.ms,
    sleep: async () => {
      clock.turns += 1;
    },
  };
  return clock;
}

test('work on many yields after each slice, and on few not at all: it is done when the call returns', async () => {
  const clock = createClock();
  const done: number[] = [];
  void inSlices(Array(SLICE).keys(), clock, (n) => done.push(n));
  assert.equal(done.length, SLICE);
  await inSlices(Array(10 * SLICE).keys(), clock, () => undefined);
  assert.equal(clock.turns, 9);
});

test('work that takes long yields sooner, by the time that it took', async () => {
  const clock = createClock();
  await inSlices(Array(100).keys(), clock, () => {
    clock.ms += 1;
  });
  assert.equal(clock.turns, 9);
});

test('what work promises is awaited before the next item, and a failure ends the walk', async () => {
  const clock = createClock();
  const order: string[] = [];
  const walk = inSlices(['a', 'b', 'c'], clock, async (name) => {
    order.push(`${name} begins`);
    await undefined;
    if (name === 'b') throw new Error('enough');
    order.push(`${name} ends`);
  });
  await assert.rejects(walk, /enough/);
  assert.deepEqual(order, ['a begins', 'a ends', 'b begins']);
});

test('a turn says when it is spent', () => {
  const clock = createClock();
  const isSpent = startTurn(clock);
  assert.equal(isSpent(), false);
  clock.ms = 10;
  assert.equal(isSpent(), true);
});

test('work that is begun in slices runs side by side, and all of it is awaited', async () => {
  const clock = createClock();
  const started: number[] = [];
  const release: (() => void)[] = [];
  const all = beginInSlices(Array(2 * SLICE).keys(), clock, (n) => {
    started.push(n);
    return new Promise<void>((resolve) => release.push(resolve));
  });
  assert.equal(started.length, SLICE);
  while (started.length < 2 * SLICE) await undefined;
  assert.equal(clock.turns, 1);
  for (const end of release) end();
  await all;
});
