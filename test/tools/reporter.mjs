/** Gathers the events of node:test runs and prints them tersely: failures in full, skips with their reasons, the slowest few. */
import { inspect } from 'node:util';
import { markedFile, OWN_TESTS } from './groups.mjs';
import { bold, dim, green, red, say, seconds, yellow } from './say.mjs';
import { withSourcePositions } from './source-positions.mjs';

/** @typedef {{ file: string, name: string, ms: number }} Seen */

/** How the runner says that a test's name is not among those asked for. */
const NOT_CHOSEN = 'test name does not match pattern';

/** One reporter serves a whole run, however many files it has. */
export class Reporter {
  /** @type {Seen[]} */ passed = [];
  /** @type {(Seen & { reason: string })[]} */ failed = [];
  /** @type {(Seen & { reason: string })[]} */ skipped = [];
  /** @type {Seen[]} */ files = [];
  /** @type {{ file: string, ms: number }[]} processor time of files, where it was measured */ costs = [];
  /** @type {string[]} */ notes = [];

  /**
   * Follows the run of one file, or of a group of files, to its end. Events name the file in which a test was declared,
   * which may be a helper's; so each file is followed by itself, and in a group marks say where the next one begins.
   * @param {readonly string[]} files the tests' sources, as they are to be called
   * @param {AsyncIterable<{ type: string, data: any }>} events
   * @param {{ live: boolean, byName?: boolean }} options live: print each top-level test as it ends; byName: tests were chosen by name, the others are no skips
   * @returns {Promise<string[]>} the files that were not begun, since the process ended before
   */
  async follow(files, events, { live, byName = false }) {
    /** @type {string[]} names of the tests that enclose the present one */
    const path = [];
    const waiting = [...files];
    let [file = ''] = files;
    let began = performance.now();
    let output = '';
    let tests = 0;
    const end = () => {
      const ms = performance.now() - began;
      if (tests === 0 && !byName) this.failed.push({ file, name: 'whole file', ms, reason: 'no test in it' });
      this.files.push({ file, name: '', ms });
    };
    for await (const { type, data } of events) {
      const marked = type === 'test:pass' && data.nesting === 0 ? markedFile(data.name) : undefined;
      if (marked !== undefined) {
        if (marked !== files[0]) end();
        waiting.splice(0, waiting.indexOf(marked) + 1);
        [file, began, output, tests] = [marked, performance.now(), '', 0];
      } else if (type === 'test:stdout' || type === 'test:stderr') output = `${output}${data.message}`.slice(-4000);
      // The runner's own totals come as diagnostics too, without a file.
      else if (type === 'test:diagnostic' && data.file) this.notes.push(`${file}: ${data.message}`);
      else if (type === 'test:start') path.splice(data.nesting, Number.POSITIVE_INFINITY, data.name);
      else if (type === 'test:pass' || type === 'test:fail') {
        const passed = type === 'test:pass';
        const name = [...path.slice(0, data.nesting), data.name].join(' > ');
        const seen = { file, name, ms: data.details?.duration_ms ?? 0 };
        if (!(isAboutFile(data) && passed)) tests += 1;
        if (isAboutFile(data)) this.#takeFile(passed, seen, data.details?.error, output);
        else if (!(byName && data.skip === NOT_CHOSEN)) {
          this.#take(passed, seen, data);
          // A failure is told at once, however deep: a log that is cut before the summary still names it.
          const failed = !passed && data.details?.error?.failureType !== 'subtestsFailed';
          if (failed || (live && data.nesting === 0)) {
            const sign = data.skip !== undefined ? yellow('skip') : passed ? green('pass') : red('FAIL');
            say(`${sign} ${name} ${dim(seconds(seen.ms))}${failed ? `\n${indent(explain(data.details?.error))}` : ''}`);
          }
        }
      }
    }
    end();
    return waiting[0] === files[0] ? waiting.slice(1) : waiting;
  }

  /** A check that is no test (lint, leftovers) and did not hold. @param {string} name @param {string} reason */
  addFailure(name, reason) {
    this.failed.push({ file: '', name, ms: 0, reason });
    say(`${red('FAIL')} ${name}`);
  }

  /**
   * The runner reports a file itself only when its process failed, or when there was no test in it.
   * @param {boolean} passed @param {Seen} seen @param {any} error @param {string} output
   */
  #takeFile(passed, seen, error, output) {
    if (passed || error?.failureType === 'subtestsFailed') return;
    const printed = output.trim() === '' ? '' : `\nit printed:\n${withSourcePositions(output.trim())}`;
    this.failed.push({ ...seen, name: 'whole file', reason: `${explain(error)}${printed}` });
    say(`${red('FAIL')} ${seen.file}\n${indent(explain(error))}`);
  }

  /** @param {boolean} passed @param {Seen} seen @param {any} data */
  #take(passed, seen, { details, skip, todo }) {
    if (details?.type === 'suite' && passed) return;
    if (skip !== undefined || todo !== undefined) {
      const reason = [skip, todo].find((text) => typeof text === 'string' && text !== '');
      this.skipped.push({ ...seen, reason: reason ?? 'no reason given' });
    } else if (passed) this.passed.push(seen);
    // A parent that fails only because of its children has nothing of its own to tell.
    else if (details?.error?.failureType !== 'subtestsFailed')
      this.failed.push({ ...seen, reason: explain(details?.error) });
  }

  /**
   * Prints the summary; its last line is always `N passed, N failed, N skipped`.
   * @param {{ skipsFail: boolean }} options
   * @returns {boolean} whether the run was good
   */
  finish({ skipsFail }) {
    if (this.skipped.length > 0) {
      say(`\n${bold('skipped')}${skipsFail ? red(' (REQUIRE=all: counts as failed)') : ''}`);
      for (const { file, name, reason } of this.skipped) say(`  ${file}: ${name}\n    ${yellow(reason)}`);
    }
    const short = this.notes.filter((note) => !note.includes('\n'));
    if (short.length > 0) say(`\n${bold('notes')}`);
    for (const note of new Set(short)) say(`  ${note}`);
    if (this.failed.length > 0) say(`\n${bold('failed')}`);
    for (const { file, name, reason } of this.failed)
      say(`${red('  ✗')} ${file === '' ? '' : `${file}: `}${bold(name)}\n${indent(reason)}\n`);
    // What a failed test has to add, as a rule the ends of its logs.
    for (const note of this.notes.filter((note) => note.includes('\n'))) say(`${dim(indent(note))}\n`);
    if (this.passed.length > 0) say(`\n${bold('slowest')}`);
    for (const { file, name, ms } of slowest(this.passed)) say(`  ${seconds(ms).padStart(7)}  ${dim(file)}: ${name}`);
    if (this.files.length > SLOWEST) say(`\n${bold('slowest files')}`);
    if (this.files.length > SLOWEST)
      for (const { file, ms } of slowest(this.files)) say(`  ${seconds(ms).padStart(7)}  ${file}`);
    if (this.costs.length > SLOWEST) {
      say(`\n${bold('costliest files')} (processor time of ${this.costs.length}: ${seconds(sum(this.costs))})`);
      for (const { file, ms } of slowest(this.costs)) say(`  ${seconds(ms).padStart(7)}  ${file}`);
    }
    const total = this.passed.length + this.failed.length;
    if (total === 0) say('\nno test ran');
    say(`\n${this.passed.length} passed, ${this.failed.length} failed, ${this.skipped.length} skipped`);
    return this.failed.length === 0 && total > 0 && !(skipsFail && this.skipped.length > 0);
  }
}

const SLOWEST = 5;

/** @template {{ ms: number }} T @param {readonly T[]} all */
const slowest = (all) => [...all].sort((a, b) => b.ms - a.ms).slice(0, SLOWEST);

/** @param {readonly { ms: number }[]} all */
const sum = (all) => all.reduce((total, { ms }) => total + ms, 0);

/** Whether an event is about a file as a whole. @param {{ nesting: number, name: string, file?: string }} data */
function isAboutFile({ nesting, name, file }) {
  return nesting === 0 && (name === file || OWN_TESTS.test(name));
}

/** The error as its author meant it, without the runner's wrapping. @param {any} error */
function explain(error) {
  if (typeof error?.exitCode === 'number') return `its process ended with exit status ${error.exitCode}`;
  if (typeof error?.signal === 'string') return `its process was ended by ${error.signal}`;
  const cause = error?.cause ?? error;
  if (cause instanceof Error || typeof cause?.stack === 'string') {
    const stack = String(cause.stack)
      .split('\n')
      .filter((line) => !/^\s+at .*(node:internal|node:async_hooks)/.test(line))
      .join('\n');
    const extra = cause.details ? `\ndetails: ${inspect(cause.details)}` : '';
    const whole = String(cause.stack).includes(cause.message) ? stack : `${cause.message}\n${stack}`;
    return withSourcePositions(`${whole}${extra}`);
  }
  return typeof cause === 'string' ? cause : inspect(cause);
}

/** @param {string} text */
function indent(text) {
  return text
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');
}
