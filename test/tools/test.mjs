/**
 * `npm test [-- FILTER…]`: set-up, types, lint, then all tests, with one line of numbers at the end.
 * FILTER is `unit`, `e2e`, or a part of a test file's path. REQUIRE=all in the environment: a skipped test is a failure.
 */
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { run as runTests } from 'node:test';
import { abandonedNamespaces, isOfProduct, namespaces, RUN_MARK, survivingProcesses } from './leftovers.mjs';
import { Reporter } from './reporter.mjs';
import { run } from './run.mjs';
import { bold, say, seconds } from './say.mjs';
import { setUp } from './setup.mjs';
import { ROOT, testFiles } from './workspace.mjs';

const LONG = /^test\/(e2e|vm|bench)\//;
/** Those that measure time or load, or use up both processors: nothing runs beside them. */
const ALONE = /^test\/(e2e\/connect\/(first-ping|scale)\.test|vm\/)/;
const UNIT_FILE_LIMIT_MS = 300_000;
const LONG_FILE_LIMIT_MS = 600_000;

const filters = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const skipsFail = process.env['REQUIRE'] === 'all';

/** @param {string} source */
const wanted = (source) =>
  filters.length === 0 ||
  filters.some((filter) => {
    if (filter === 'unit') return !LONG.test(source);
    if (filter === 'e2e') return LONG.test(source);
    return source.includes(filter);
  });

const began = performance.now();
const before = namespaces();
const mark = `${process.pid}-${Date.now()}`;
process.env[RUN_MARK] = mark;
// Short, since sockets live below it and their paths may have 108 characters.
const temporary = mkdtempSync(join(tmpdir(), 'st-'));
// As open as /tmp: some tests change to another user.
chmodSync(temporary, 0o1777);
process.env['TMPDIR'] = temporary;
process.on('exit', () => rmSync(temporary, { recursive: true, force: true }));

const { typeErrors, nativeErrors } = await setUp({ forTests: true });
const files = testFiles().filter(({ source }) => wanted(source));
const reporter = new Reporter();

if (typeErrors) reporter.addFailure('types (tsc -b)', typeErrors);
if (nativeErrors) reporter.addFailure('native addon (cc)', nativeErrors);
if (filters.length === 0) {
  await check('lint', 'biome', ['check', '--colors=off', '--reporter=concise', '--max-diagnostics=none', '.']);
  await check('unused code', 'knip', ['--no-progress', '--no-config-hints']);
}

await runGroup('unit tests', (source) => !LONG.test(source), {
  live: false,
  workers: 2,
  timeoutMs: UNIT_FILE_LIMIT_MS,
});
const together = (/** @type {string} */ source) => LONG.test(source) && !ALONE.test(source);
await runGroup('end-to-end tests', together, { live: true, workers: 2, timeoutMs: LONG_FILE_LIMIT_MS });
const alone = (/** @type {string} */ source) => ALONE.test(source);
await runGroup('end-to-end tests with numbers', alone, { live: true, workers: 1, timeoutMs: LONG_FILE_LIMIT_MS });

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

const left = readdirSync(temporary);
const ours = left.filter(isOfProduct);
if (ours.length > 0) reporter.addFailure('left in the temporary folder', ours.join('\n'));
for (const name of left.filter((name) => !isOfProduct(name)))
  reporter.notes.push(`left in the temporary folder: ${name}`);

process.exitCode = reporter.finish({ skipsFail }) ? 0 : 1;

/** A check that is one of the installed programs. @param {string} name @param {string} program @param {string[]} args */
async function check(name, program, args) {
  const { code, output } = await run(join(ROOT, 'node_modules/.bin', program), args, { cwd: ROOT });
  if (code !== 0) reporter.addFailure(`${name} (${program})`, output.trim());
}

/**
 * Runs the files that belong to a group, a few at a time.
 * @param {string} title
 * @param {(source: string) => boolean} belongs
 * @param {{ live: boolean, workers: number, timeoutMs: number }} options
 */
async function runGroup(title, belongs, { live, workers, timeoutMs }) {
  const group = files.filter(({ source }) => belongs(source));
  if (group.length === 0) return;
  say(`${bold(title)}: ${group.length} files, ${seconds(performance.now() - began)} after the start`);
  const work = async () => {
    for (let file = group.shift(); file; file = group.shift())
      await reporter.follow(
        file.source,
        runTests({ files: [join(ROOT, file.compiled)], concurrency: 1, timeout: timeoutMs }),
        { live },
      );
  };
  await Promise.all(Array.from({ length: workers }, work));
}
