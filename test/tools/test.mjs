/**
 * `npm test [-- PART…] [--name TEXT]`: set-up, types, lint, then all tests, with one line of numbers at the end.
 * PART is `unit`, `e2e`, or a part of a test file's path; TEXT a part of a test's name, or a /pattern/.
 * REQUIRE=all in the environment: a skipped test is a failure.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { run as runTests } from 'node:test';
import { groupFiles, OWN_TESTS, readCosts, rememberTimes, timesOfLastRun, writeGroup } from './groups.mjs';
import { abandonedNamespaces, isOfProduct, namespaces, RUN_MARK, survivingProcesses } from './leftovers.mjs';
import { Reporter } from './reporter.mjs';
import { run } from './run.mjs';
import { bold, say, seconds } from './say.mjs';
import { isLong, matches, near, parseSelection, testNames } from './selection.mjs';
import { setUp } from './setup.mjs';
import { ROOT, testFiles } from './workspace.mjs';

/** Those that measure time: nothing runs beside them. */
const ALONE = /^test\/e2e\/(connect\/first-ping|page\/page)\.test/;
/** Each takes one processor whole: two of them run beside each other, and nothing else. */
const MACHINES = /^test\/vm\//;
/** Those that take longest, so that none of them is left for the end with nothing beside it. */
const FIRST = /^test\/e2e\/(connect\/scale|packaging\/archive|packaging\/crash)/;
/** Those that wait for minutes that a rule of the product lasts: one at a time beside the others. */
const WAITING = /^test\/e2e\/(paths\/(firewall|hard-nat|parking)|heal\/quiet)/;
const UNIT_LIMIT_MS = 300_000;
const LONG_LIMIT_MS = 600_000;
/** The system's; a user's may be a shell script that looks for the right one, and costs more than all that it then runs. */
const PYTHON = '/usr/bin/python3';
const OWN_PROGRAMS = 'bin';
/** More than processors: unit tests wait for programs, servers and kernels half of their time. */
const UNIT_WORKERS = 3;

const skipsFail = process.env['REQUIRE'] === 'all';
const selection = parseSelection(process.argv.slice(2));
if (typeof selection === 'string') giveUp(selection);
const { parts, name } = selection;
const sources = testFiles();
for (const part of parts)
  if (!sources.some(({ source }) => matches(source, part)))
    giveUp(
      `no test file has "${part}" in its path; near:`,
      near(
        part,
        sources.map(({ source }) => source),
      ),
    );

const began = performance.now();
const before = namespaces();
const mark = `${process.pid}-${Date.now()}`;
process.env[RUN_MARK] = mark;
// Short, since sockets live below it and their paths may have 108 characters.
const temporary = mkdtempSync(join(tmpdir(), 'st-'));
// As open as /tmp: some tests change to another user.
chmodSync(temporary, 0o1777);
process.env['TMPDIR'] = temporary;
if (existsSync(PYTHON)) {
  mkdirSync(join(temporary, OWN_PROGRAMS));
  symlinkSync(PYTHON, join(temporary, OWN_PROGRAMS, 'python3'));
  process.env['PATH'] = `${join(temporary, OWN_PROGRAMS)}:${process.env['PATH']}`;
}
process.on('exit', () => rmSync(temporary, { recursive: true, force: true }));

const { typeErrors, nativeErrors } = await setUp({ forTests: true });
const files = testFiles().filter(({ source }) => parts.length === 0 || parts.some((part) => matches(source, part)));
const runOptions = { concurrency: 1, ...(name ? { testNamePatterns: [name, OWN_TESTS] } : {}) };
const reporter = new Reporter();

if (typeErrors) reporter.addFailure('types (tsc -b)', typeErrors);
if (nativeErrors) reporter.addFailure('native addon (cc)', nativeErrors);
if (parts.length === 0 && !name) {
  await check('lint', 'biome', ['check', '--colors=off', '--reporter=concise', '--max-diagnostics=none', '.']);
  await check('unused code', 'knip', ['--no-progress', '--no-config-hints']);
}

await runUnitTests(files.filter(({ source }) => !isLong(source)));
const long = files
  .filter(({ source }) => isLong(source))
  .sort((a, b) => Number(FIRST.test(b.source)) - Number(FIRST.test(a.source)));
const together = long.filter(({ source }) => !ALONE.test(source) && !MACHINES.test(source));
await Promise.all([
  runLongTests(
    'end-to-end tests',
    together.filter(({ source }) => !WAITING.test(source)),
    2,
  ),
  runLongTests(
    'end-to-end tests that wait',
    together.filter(({ source }) => WAITING.test(source)),
    1,
  ),
]);
await runLongTests(
  'end-to-end tests with numbers',
  long.filter(({ source }) => ALONE.test(source)),
  1,
);

await runLongTests(
  'tests in virtual machines',
  long.filter(({ source }) => MACHINES.test(source)),
  2,
);

for (const { pid, command } of survivingProcesses(mark)) {
  reporter.addFailure('a process outlived its test', `pid ${pid}: ${command}`);
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It went by itself meanwhile.
  }
}
const abandoned = abandonedNamespaces(before);
if (abandoned.length > 0) reporter.addFailure('network namespaces were left behind', abandoned.join('\n'));

const left = readdirSync(temporary).filter((name) => name !== OWN_PROGRAMS);
const ours = left.filter(isOfProduct);
if (ours.length > 0) reporter.addFailure('left in the temporary folder', ours.join('\n'));
for (const name of left.filter((name) => !isOfProduct(name)))
  reporter.notes.push(`left in the temporary folder: ${name}`);

rememberTimes(reporter.files, reporter.costs);
if (name && reporter.passed.length + reporter.failed.length + reporter.skipped.length === 0) {
  const names = files.flatMap(({ source }) => testNames(readFileSync(join(ROOT, source), 'utf8')));
  giveUp(`no test in ${files.length} files has a name like ${name}; near:`, near(name.source, [...new Set(names)]));
}
process.exitCode = reporter.finish({ skipsFail }) ? 0 : 1;

/** Nothing to run: says why, and what there is. @param {string} why @param {readonly string[]} [instead] @returns {never} */
function giveUp(why, instead = []) {
  say(why);
  for (const one of instead) say(`  ${one}`);
  say('\n0 passed, 0 failed, 0 skipped');
  process.exit(1);
}

/** A check that is one of the installed programs. @param {string} name @param {string} program @param {string[]} args */
async function check(name, program, args) {
  const { code, output } = await run(join(ROOT, 'node_modules/.bin', program), args, { cwd: ROOT });
  if (code !== 0) reporter.addFailure(`${name} (${program})`, output.trim());
}

/** @param {string} title @param {number} count */
function announce(title, count) {
  say(`${bold(title)}: ${count} files, ${seconds(performance.now() - began)} after the start`);
}

/** Several files a process where they allow it, several processes at a time. @param {import('./groups.mjs').TestFile[]} chosen */
async function runUnitTests(chosen) {
  if (chosen.length === 0) return;
  announce('unit tests', chosen.length);
  const folder = mkdtempSync(join(temporary, 'groups-'));
  const groups = groupFiles(chosen, timesOfLastRun());
  let number = 0;
  await inParallel(groups, UNIT_WORKERS, async (group) => {
    const path = writeGroup(group, folder, number++);
    const events = runTests({ ...runOptions, files: [path], timeout: UNIT_LIMIT_MS });
    const names = group.map(({ source }) => source);
    const unbegun = await reporter.follow(names, events, { live: false, byName: name !== undefined });
    if (unbegun.length > 0) groups.unshift(group.filter(({ source }) => unbegun.includes(source)));
  });
  reporter.costs.push(...readCosts(folder));
  rmSync(folder, { recursive: true });
}

/** Each in a process of its own. @param {string} title @param {import('./groups.mjs').TestFile[]} chosen @param {number} workers */
async function runLongTests(title, chosen, workers) {
  if (chosen.length === 0) return;
  announce(title, chosen.length);
  await inParallel(chosen, workers, async ({ source, compiled }) => {
    const events = runTests({ ...runOptions, files: [join(ROOT, compiled)], timeout: LONG_LIMIT_MS });
    await reporter.follow([source], events, { live: true, byName: name !== undefined });
  });
}

/**
 * Takes from the list until it is empty, so many at a time.
 * @template T @param {T[]} list @param {number} workers @param {(one: T) => Promise<void>} run
 */
async function inParallel(list, workers, run) {
  const work = async () => {
    for (let one = list.shift(); one; one = list.shift()) await run(one);
  };
  await Promise.all(Array.from({ length: workers }, work));
}
