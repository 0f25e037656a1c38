/** When the work of a start is done, and what keeps the heap small from then on. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { afterStart } from '#src/cli/after-start.js';
import type { ControlEvent } from '#src/control/snapshot.js';
import { createFakeClock, settle } from '#src/testing/index.js';

const run = promisify(execFile);

function started(...names: string[]) {
  const listeners = new Set<(event: ControlEvent) => void>();
  return {
    devices: names.map((name) => ({ name })),
    listeners,
    subscribe(listener: (event: ControlEvent) => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    emit(event: string, device: string) {
      for (const listener of listeners) listener({ type: 'event', event, at: 0, device });
    },
  };
}

test('a start is over a moment after the first refresh of every device has ended', async () => {
  const [clock, daemon] = [createFakeClock(), started('wg0', 'wg1')];
  let over = false;
  void afterStart(daemon, clock).then(() => {
    over = true;
  });
  daemon.emit('refresh', 'wg1');
  daemon.emit('refreshed', 'wg0');
  daemon.emit('refreshed', 'wg0');
  await clock.advance(5_000);
  assert.equal(over, false);
  daemon.emit('refreshed', 'wg1');
  await settle();
  assert.equal(over, false);
  await clock.advance(2_000);
  assert.equal(over, true);
  assert.equal(daemon.listeners.size, 0);
  assert.equal(clock.pending, 0);
});

test('a device that is not there holds up the end of a start for half a minute at most', async () => {
  const [clock, daemon] = [createFakeClock(), started('wg0', 'absent')];
  let over = false;
  void afterStart(daemon, clock).then(() => {
    over = true;
  });
  daemon.emit('refreshed', 'wg0');
  await clock.advance(29_000);
  assert.equal(over, false);
  await clock.advance(3_000);
  assert.equal(over, true);
  assert.equal(daemon.listeners.size, 0);
});

/** Garbage of which much lives long enough to be moved: what makes a young generation grow. */
const CHURN = `
let kept = [];
for (let i = 0; i < 400000; i += 1) {
  kept.push({ i, list: [i] });
  if (kept.length > 40000) kept = [];
}
kept = [];
`;

test('the young generation stays as small as it began, and garbage can be collected by name', async () => {
  const script = `
    await import(${JSON.stringify(import.meta.resolve('#src/cli/small-heap.js'))});
    const { collectGarbage, saveSpace } = await import(${JSON.stringify(import.meta.resolve('#src/cli/running-heap.js'))});
    const v8 = await import('node:v8');
    ${CHURN}
    const young = v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space').space_size;
    const fill = () => new Array(1_000_000).fill(0.5).length;
    fill();
    const before = v8.getHeapStatistics().used_heap_size;
    saveSpace();
    collectGarbage();
    const after = v8.getHeapStatistics().used_heap_size;
    console.log(JSON.stringify({ young, freed: before - after, hidden: typeof globalThis.gc }));
  `;
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script]);
  const { young, freed, hidden } = JSON.parse(stdout);
  assert.ok(young <= 4 * 1024 * 1024, `${young} bytes`);
  assert.ok(freed > 4 * 1024 * 1024, `${freed} bytes`);
  assert.equal(hidden, 'undefined');
});
