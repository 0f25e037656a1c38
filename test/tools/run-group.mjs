/** What runs inside the process of a group of test files: one file after the other, each begun when the one before has ended. */
import { appendFileSync, readFileSync, statSync } from 'node:fs';
import process from 'node:process';
import { test } from 'node:test';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { markOf } from './groups.mjs';

const CLOSING_BEAT_MS = 5;

/** How long the kernel's tick is: USER_HZ is 100 wherever Node runs. */
const TICK_MS = 10;

/**
 * One file that has its process to itself, hooks outside of tests and all.
 * @param {{ source: string, path: string }} file
 * @param {{ costs: string }} options where to write what it cost
 */
export async function runSingle({ source, path }, { costs }) {
  process.on('exit', () => writeCost(costs, source, processorMs()));
  await import(pathToFileURL(path).href);
}

/**
 * @param {readonly { source: string, path: string }[]} files
 * @param {{ closingLimitMs: number, costs: string }} options how long a file may keep the process after its last test, and where
 * to write what each cost
 */
export async function runGroup(files, { closingLimitMs, costs }) {
  // Both are opened when they are first used, and stay.
  process.stdout.write('');
  process.stderr.write('');
  const before = openResources();
  /** @type {ReturnType<typeof processState> | undefined} */
  let state;
  let spentMs = 0;
  for (const { source, path } of files) {
    // Top-level tests run in the order in which they are declared: a mark has passed when all before it are through.
    await test(markOf(source), () => {});
    // Not before the first test, with which the runner gets listeners of its own.
    const found = state ?? processState();
    // Without this Node 20 takes a linked package for a plain folder after some tests, and finds none of what it depends on.
    statSync(path);
    await import(pathToFileURL(path).href).catch((error) => {
      test('file: cannot be loaded', () => {
        throw error;
      });
    });
    await test('file: has ended', () => {});
    const left = await waitUntilClosed(before, closingLimitMs);
    const soFar = processorMs();
    writeCost(costs, source, soFar - spentMs);
    spentMs = soFar;
    const now = processState();
    const changed = [...new Set([...found.keys(), ...now.keys()])].filter((key) => found.get(key) !== now.get(key));
    state = now;
    if (changed.length > 0)
      await test('file: changes its process', () => {
        throw new Error(`not as it was before its tests: ${changed.join(', ')}`);
      });
    if (left.length === 0) continue;
    await test('file: keeps its process', () => {
      throw new Error(`still open ${closingLimitMs} ms after its last test: ${left.join(', ')}`);
    });
    // The files that follow are run by another process. Output is a pipe, which Node writes at once.
    await nextTurn();
    process.exit(1);
  }
}

/** Processor time of this process and of the children that it has waited for; 0 where there is no /proc. */
function processorMs() {
  try {
    const stat = readFileSync('/proc/self/stat', 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * TICK_MS;
  } catch {
    return 0;
  }
}

/** @param {string} costs @param {string} source @param {number} ms */
function writeCost(costs, source, ms) {
  appendFileSync(costs, `${JSON.stringify({ file: source, ms })}\n`);
}

/** Listeners to these stay with modules that share one for ever, and are called when all tests are over. */
const ENDS = new Set(['exit', 'beforeExit']);

/** @type {readonly unknown[]} */
const CLOCK = [Date, setTimeout, setInterval, setImmediate];

/** What a file could change for those that follow it; values of the environment are compared, never told. */
function processState() {
  const listeners = process.eventNames().filter((event) => !ENDS.has(String(event)));
  return new Map(
    /** @type {[string, unknown][]} */ ([
      ['working folder', process.cwd()],
      ['umask', process.umask()],
      ['effective user', process.geteuid?.()],
      ['Error.stackTraceLimit', Error.stackTraceLimit],
      ['Date or timers', [Date, setTimeout, setInterval, setImmediate].every((one, i) => one === CLOCK[i])],
      ...listeners.map((event) => [`listeners to ${String(event)}`, process.listenerCount(event)]),
      ...Object.entries(process.env).map(([name, value]) => [`environment ${name}`, value]),
    ]),
  );
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
