import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeClock, settle } from '@stunmesh/core/testing';
import { createCaptureSet } from '#src/capture-set.js';

/** A set over sources that the test opens, refuses and kills. */
function start({ withClock = true } = {}) {
  const clock = createFakeClock();
  const wanted = new Set<string>();
  const refused = new Set<string>();
  const open = new Map<string, (reason: Error) => void>();
  const opened: string[] = [];
  const held: (() => void)[] = [];
  let hold = false;
  const set = createCaptureSet({
    wanted: () => [...wanted],
    async open(name, lost) {
      opened.push(name);
      if (hold) await new Promise<void>((resolve) => held.push(resolve));
      if (refused.has(name)) throw new Error(`${name} is refused`);
      open.set(name, lost);
      return {
        async refilter() {},
        async [Symbol.asyncDispose]() {
          open.delete(name);
        },
      };
    },
    ...(withClock && { clock }),
  });
  const kill = async (name: string) => {
    const lost = open.get(name);
    open.delete(name);
    lost?.(new Error('it died'));
    await settle();
  };
  return {
    clock,
    wanted,
    refused,
    opened,
    set,
    kill,
    openNow: () => [...open.keys()].sort(),
    holdOpening: () => {
      hold = true;
    },
    letGo: async () => {
      hold = false;
      for (const resolve of held.splice(0)) resolve();
      await settle();
    },
  };
}

test('F10 what is wanted is open, and what is not wanted any more is closed', async () => {
  const { wanted, set, openNow, opened } = start();
  wanted.add('em0').add('em1');
  await set.refresh();
  assert.deepEqual(openNow(), ['em0', 'em1']);
  assert.deepEqual(set.names(), ['em0', 'em1']);
  wanted.delete('em0');
  wanted.add('ng0');
  await set.networkChanged();
  assert.deepEqual(openNow(), ['em1', 'ng0']);
  await set.networkChanged();
  assert.equal(opened.length, 3, 'nothing is opened twice');
  await set[Symbol.asyncDispose]();
  await set[Symbol.asyncDispose]();
  assert.deepEqual(openNow(), []);
});

test('F10 a source that dies is opened again at once where its interface is still there, and not where it is gone', async () => {
  const { wanted, set, kill, openNow } = start();
  wanted.add('em0').add('em1');
  await set.refresh();
  await kill('em0');
  assert.deepEqual(openNow(), ['em0', 'em1']);
  wanted.delete('em1');
  await kill('em1');
  assert.deepEqual(openNow(), ['em0']);
  wanted.add('em1');
  await set.networkChanged();
  assert.deepEqual(openNow(), ['em0', 'em1']);
  await set[Symbol.asyncDispose]();
});

test('F42 a source that dies again and again is opened after growing pauses, at most 5 s', async () => {
  const { clock, wanted, set, kill, opened } = start();
  wanted.add('em0');
  await set.refresh();
  const pauses: number[] = [];
  for (let i = 0; i < 9; i += 1) {
    const [before, diedAt] = [opened.length, clock.now()];
    await kill('em0');
    while (opened.length === before) await clock.advance(50);
    await settle();
    pauses.push(clock.now() - diedAt);
  }
  assert.deepEqual(pauses, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  await kill('em0');
  await set.networkChanged();
  assert.deepEqual(set.names(), ['em0'], 'news of the network ends the pause');
  await kill('em0');
  assert.deepEqual(set.names(), ['em0'], 'and begins the count anew');
  await set[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});

test('without a clock a source that keeps dying waits for news of the network', async () => {
  const { wanted, set, kill, opened } = start({ withClock: false });
  wanted.add('em0');
  await set.refresh();
  for (let i = 0; i < 6; i += 1) await kill('em0');
  assert.equal(opened.length, 4);
  await set.networkChanged();
  assert.equal(opened.length, 5);
  await set[Symbol.asyncDispose]();
});

test('what could not be opened is told, tried again, and forgotten once it opens or is not wanted', async () => {
  const { clock, wanted, refused, set, openNow } = start();
  wanted.add('em0').add('em1');
  refused.add('em0').add('em1');
  await set.refresh();
  await settle();
  assert.deepEqual([...set.failures().keys()].sort(), ['em0', 'em1']);
  refused.delete('em0');
  wanted.delete('em1');
  await clock.advance(1000);
  await set.refresh();
  assert.deepEqual(openNow(), ['em0']);
  assert.equal(set.failures().size, 0);
  await set[Symbol.asyncDispose]();
});

test('a source that comes up after the set was closed, or after it was lost or unwanted, is closed', async () => {
  for (const meanwhile of ['close', 'unwant'] as const) {
    const { wanted, set, openNow, holdOpening, letGo } = start();
    wanted.add('em0');
    holdOpening();
    const opening = set.refresh();
    if (meanwhile === 'close') await set[Symbol.asyncDispose]();
    else {
      wanted.delete('em0');
      await set.networkChanged();
    }
    await letGo();
    await opening;
    assert.deepEqual(openNow(), [], meanwhile);
    assert.deepEqual(set.names(), []);
    await set[Symbol.asyncDispose]();
  }
});

test('a source that is lost before its opening is told is opened again', async () => {
  const opened: string[] = [];
  const set = createCaptureSet({
    wanted: () => ['em0'],
    async open(name, lost) {
      opened.push(name);
      if (opened.length === 1) lost(new Error('it died'));
      return { async refilter() {}, async [Symbol.asyncDispose]() {} };
    },
  });
  await set.refresh();
  await settle();
  assert.equal(opened.length, 2);
  assert.deepEqual(set.names(), ['em0']);
  await set[Symbol.asyncDispose]();
});
