/** What runs inside the process of a group of test files: one file after the other, each begun when the one before has ended. */
import { statSync } from 'node:fs';
import process from 'node:process';
import { test } from 'node:test';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { markOf } from './groups.mjs';

const CLOSING_BEAT_MS = 5;

/**
 * @param {readonly { source: string, path: string }[]} files
 * @param {{ closingLimitMs: number }} options how long a file may keep the process after its last test
 */
export async function runGroup(files, { closingLimitMs }) {
  // Both are opened when they are first used, and stay.
  process.stdout.write('');
  process.stderr.write('');
  const before = openResources();
  for (const { source, path } of files) {
    // Top-level tests run in the order in which they are declared: a mark has passed when all before it are through.
    await test(markOf(source), () => {});
    // Without this Node 20 takes a linked package for a plain folder after some tests, and finds none of what it depends on.
    statSync(path);
    await import(pathToFileURL(path).href).catch((error) => {
      test('file: cannot be loaded', () => {
        throw error;
      });
    });
    await test('file: has ended', () => {});
    const left = await waitUntilClosed(before, closingLimitMs);
    if (left.length === 0) continue;
    await test('file: keeps its process', () => {
      throw new Error(`still open ${closingLimitMs} ms after its last test: ${left.join(', ')}`);
    });
    // The files that follow are run by another process. Output is a pipe, which Node writes at once.
    await nextTurn();
    process.exit(1);
  }
}

/** How many things of each kind keep this process from ending. */
function openResources() {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

/**
 * Waits as a process of the file's own would, but not for ever; a later file would be blamed for what is left.
 * @param {ReadonlyMap<string, number>} before
 * @param {number} limitMs
 * @returns {Promise<string[]>} what is still open
 */
async function waitUntilClosed(before, limitMs) {
  const began = performance.now();
  for (;;) {
    const left = [...openResources()].filter(([kind, count]) => count > (before.get(kind) ?? 0)).map(([kind]) => kind);
    if (left.length === 0 || performance.now() - began > limitMs) return left;
    await sleep(CLOSING_BEAT_MS);
  }
}
