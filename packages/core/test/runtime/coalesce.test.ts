/** One job at a time, and exactly one more however often it was asked for meanwhile (F14). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCoalesced } from '#src/runtime/coalesce.js';
import { settle } from '#src/testing/index.js';

/** A job that ends when told to, and how many ran at once. */
function job() {
  const ends: (() => void)[] = [];
  const seen = { runs: 0, active: 0, most: 0, errors: [] as unknown[] };
  const coalesced = createCoalesced(
    async () => {
      seen.runs += 1;
      seen.active += 1;
      seen.most = Math.max(seen.most, seen.active);
      await new Promise<void>((resolve) => ends.push(resolve));
      seen.active -= 1;
    },
    (error) => seen.errors.push(error),
  );
  return { coalesced, seen, end: () => ends.shift()?.() };
}

test('F14 fifty triggers during a run lead to exactly one more', async () => {
  const { coalesced, seen, end } = job();
  void coalesced.trigger();
  await settle();
  const others = Array.from({ length: 50 }, () => coalesced.trigger());
  await settle();
  assert.equal(seen.runs, 1);
  end();
  await settle();
  assert.equal(seen.runs, 2);
  end();
  await Promise.all(others);
  await settle();
  assert.deepEqual([seen.runs, seen.most, coalesced.running], [2, 1, false]);
});

test('a trigger resolves when a run that began after it has ended, and not before', async () => {
  const { coalesced, end } = job();
  void coalesced.trigger();
  await settle();
  let done = false;
  void coalesced.trigger().then(() => {
    done = true;
  });
  end();
  await settle();
  assert.equal(done, false);
  end();
  await settle();
  assert.equal(done, true);
});

test('asked in the very moment in which a run ends it never runs twice at once', async () => {
  let resolve = () => {};
  const work = new Promise<void>((r) => {
    resolve = r;
  });
  const seen = { active: 0, most: 0, runs: 0 };
  const coalesced = createCoalesced(
    () => {
      seen.runs += 1;
      if (seen.runs === 1) return work;
      seen.active += 1;
      seen.most = Math.max(seen.most, seen.active);
      return settle(2).then(() => {
        seen.active -= 1;
      });
    },
    () => {},
  );
  void coalesced.trigger();
  void coalesced.trigger();
  // Hears of the end after the job itself and before whoever waits for the next run.
  void work.then(() => coalesced.trigger());
  resolve();
  await settle(10);
  assert.equal(seen.most, 1);
});

test('what a run throws is reported, and the next one runs', async () => {
  const errors: unknown[] = [];
  let runs = 0;
  const coalesced = createCoalesced(
    async () => {
      runs += 1;
      throw new Error(`run ${runs}`);
    },
    (error) => errors.push(error),
  );
  await coalesced.trigger();
  await coalesced.trigger();
  assert.deepEqual(errors.map(String), ['Error: run 1', 'Error: run 2']);
});

test('stop waits for the run under way, drops the one that was asked for, and refuses more', async () => {
  const { coalesced, seen, end } = job();
  void coalesced.trigger();
  await settle();
  void coalesced.trigger();
  let stopped = false;
  const stopping = coalesced.stop().then(() => {
    stopped = true;
  });
  await settle();
  assert.equal(stopped, false);
  end();
  await stopping;
  await coalesced.trigger();
  assert.equal(seen.runs, 1);
});
