import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Phase, Phases } from '#src/paths/phases.js';
import { Schedule } from '#src/paths/schedule.js';
import { slotFrom } from '#src/paths/slots.js';

const vectors = JSON.parse(
  readFileSync(new URL('../../../../test/fixtures/paths/slots.json', import.meta.url), 'utf8'),
) as readonly { readonly seed: number; readonly period: number; readonly wall: number; readonly slot: number }[];
const WALL = 1_796_112_000_000;
const at = (now: number) => ({ now, wall: WALL + now, clockSane: true });

test('slots are multiples of the period minus the seed, for both hosts alike', () => {
  assert.equal(slotFrom(WALL, 0, 60), WALL);
  assert.equal(slotFrom(WALL + 1, 0, 60), WALL + 60_000);
  assert.equal(slotFrom(WALL, 17, 60), WALL + 43_000);
  assert.equal(slotFrom(WALL, 60 + 17, 60), WALL + 43_000);
  assert.equal(slotFrom(WALL, 2 ** 32 - 1, 300), WALL + 300_000 - ((2 ** 32 - 1) % 300) * 1_000);
  assert.ok(vectors.length >= 24);
  for (const { seed, period, wall, slot } of vectors) assert.equal(slotFrom(wall, seed, period), slot);
});

/** The phases of a pair that is never heard, as [from, phase] in milliseconds; nothing is sent in a silence. */
function phasesOf(seed: number, seconds: number, beginAt = 0): [number, Phase][] {
  const phases = new Phases({ seed });
  phases.begin(beginAt);
  const found: [number, Phase][] = [[beginAt, 'round']];
  let lastSentAt = beginAt;
  for (let now = beginAt; now < beginAt + seconds * 1_000; now += 100) {
    const next = phases.move(at(now), lastSentAt);
    if (next) found.push([now, next]);
    if (phases.phase !== 'silence') lastSentAt = now;
  }
  return found;
}

test('F43 ten seconds of a round, then silence, ten seconds of opening before a slot, eight seconds of it, and silence again', () => {
  assert.deepEqual(phasesOf(0, 130), [
    [0, 'round'],
    [10_000, 'silence'],
    [50_000, 'opening'],
    [60_000, 'slot'],
    [68_000, 'silence'],
    [110_000, 'opening'],
    [120_000, 'slot'],
    [128_000, 'silence'],
  ]);
});

test('F43 a slot that begins before 32 s of silence are over is left out, whatever seed and beginning', () => {
  assert.deepEqual(phasesOf(9, 120).slice(1, 4), [
    [10_000, 'silence'],
    [101_000, 'opening'],
    [111_000, 'slot'],
  ]);
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), fc.nat(600_000), (seed, beginAt) => {
      const found = phasesOf(seed, 400, beginAt - (beginAt % 100));
      let silentFrom = 0;
      for (const [from, phase] of found) {
        if (phase === 'silence') silentFrom = from;
        // Times of the sampling are rounded up by 100 ms.
        if (phase === 'opening') assert.ok(from - silentFrom >= 31_900, `${JSON.stringify(found)}`);
        if (phase === 'slot') assert.ok((WALL + from + (seed % 60) * 1_000) % 60_000 < 200);
      }
    }),
    { numRuns: 50 },
  );
});

test('after five minutes only every fifth slot is used, which outlasts longer entries of routers', () => {
  const slots = phasesOf(0, 1_500).filter(([, phase]) => phase === 'slot');
  assert.deepEqual(
    slots.map(([from]) => from / 1_000),
    [60, 120, 180, 240, 300, 600, 900, 1_200],
  );
});

test('whoever wakes too late for the opening leaves the slot out', () => {
  const phases = new Phases({ seed: 0 });
  phases.begin(0);
  phases.move(at(10_000), 9_000);
  assert.equal(phases.move(at(59_500), 9_000), undefined);
  assert.equal(phases.move(at(60_600), 9_000), undefined);
  assert.equal(phases.move(at(110_000), 9_000), 'opening');
});

test('a schedule makes up for nothing that was missed', () => {
  const schedule = new Schedule();
  schedule.begin(1_000, [0, 100, 300]);
  assert.equal(schedule.take(999), false);
  assert.equal(schedule.take(1_150), true);
  assert.equal(schedule.take(1_160), false);
  assert.equal(schedule.dueAt, 1_300);
  assert.equal(schedule.take(9_000), true);
  assert.equal(schedule.dueAt, undefined);
  schedule.keep(10_000);
  assert.equal(schedule.dueAt, 15_000);
  assert.equal(schedule.take(15_500), true);
  assert.equal(schedule.dueAt, 20_500);
});
