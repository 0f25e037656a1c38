/** Gathers the events of node:test runs and prints them tersely: failures in full, skips with their reasons, the slowest few. */
import { relative } from 'node:path';
import { inspect } from 'node:util';
import { bold, dim, green, red, say, seconds, yellow } from './say.mjs';
import { ROOT } from './workspace.mjs';

/** @typedef {{ file: string, name: string, ms: number }} Seen */

/** One reporter serves a whole run, however many groups of files it has. */
export class Reporter {
  /** @type {Seen[]} */ passed = [];
  /** @type {(Seen & { reason: string })[]} */ failed = [];
  /** @type {(Seen & { reason: string })[]} */ skipped = [];
  /** @type {string[]} */ notes = [];
  /** @type {Map<string, string>} compiled file to source */ #sources;
  /** @type {Map<string, string[]>} names of the tests that enclose the present one, by file */ #path = new Map();
  /** @type {Map<string, string>} what a file printed */ #output = new Map();
  /** @type {Set<string>} files that reported a test */ #spoke = new Set();
  /** @type {Set<string>} files that run now */ #running = new Set();

  /** @param {readonly { source: string, compiled: string }[]} files */
  constructor(files) {
    this.#sources = new Map(files.map(({ source, compiled }) => [compiled, source]));
  }

  /**
   * Follows one run to its end.
   * @param {AsyncIterable<{ type: string, data: any }>} events
   * @param {{ live: boolean }} options live: print each top-level test as it ends
   */
  async follow(events, { live }) {
    for await (const { type, data } of events) {
      if (type === 'test:stdout' || type === 'test:stderr') this.#keepOutput(data);
      // The runner's own totals come as diagnostics too, without a file.
      else if (type === 'test:diagnostic' && data.file) this.notes.push(`${this.#source(data.file)}: ${data.message}`);
      else if (type === 'test:dequeue' && isWholeFile(data)) this.#running.add(data.name);
      else if (type === 'test:complete' && isWholeFile(data)) this.#running.delete(data.name);
      else if (type === 'test:start') this.#enter(data);
      else if (type === 'test:pass' || type === 'test:fail') this.#take(type === 'test:pass', data, live);
    }
  }

  /** A check that is no test (lint, leftovers) and did not hold. @param {string} name @param {string} reason */
  addFailure(name, reason) {
    this.failed.push({ file: '', name, ms: 0, reason });
    say(`${red('FAIL')} ${name}`);
  }

  /** @param {{ file?: string, message: string }} data */
  #keepOutput({ file = '', message }) {
    this.#output.set(file, `${this.#output.get(file) ?? ''}${message}`.slice(-4000));
  }

  /** @param {{ file?: string, name: string, nesting: number }} data */
  #enter({ file = '', name, nesting }) {
    const path = this.#path.get(file) ?? [];
    path.length = nesting;
    path.push(name);
    this.#path.set(file, path);
  }

  /** @param {boolean} passed @param {any} data @param {boolean} live */
  #take(passed, data, live) {
    const file = this.#source(data.file ?? data.name);
    const path = (this.#path.get(data.file ?? '') ?? []).slice(0, data.nesting);
    const seen = { file, name: [...path, data.name].join(' > '), ms: data.details?.duration_ms ?? 0 };
    const error = data.details?.error;
    if (isWholeFile(data)) {
      // The runner reports a file itself only when its process failed, or when there was no test in it.
      if (passed && !this.#spoke.has(file)) this.failed.push({ ...seen, name: 'whole file', reason: 'no test in it' });
      else if (!passed && error?.failureType !== 'subtestsFailed')
        this.failed.push({ ...seen, name: 'whole file', reason: `${explain(error)}${this.#said(data.file)}` });
      return;
    }
    this.#spoke.add(file);
    if (data.details?.type === 'suite' && passed) return;
    if (data.skip !== undefined || data.todo !== undefined) {
      const reason = [data.skip, data.todo].find((text) => typeof text === 'string' && text !== '');
      this.skipped.push({ ...seen, reason: reason ?? 'no reason given' });
    } else if (passed) this.passed.push(seen);
    // A parent that fails only because of its children has nothing of its own to tell.
    else if (error?.failureType !== 'subtestsFailed') this.failed.push({ ...seen, reason: explain(error) });
    if (live && data.nesting === 0) {
      const sign = data.skip !== undefined ? yellow('skip') : passed ? green('pass') : red('FAIL');
      say(`${sign} ${seen.name} ${dim(seconds(seen.ms))}`);
    }
  }

  /**
   * The test file behind an event. A test that a helper declares comes with the helper's path; while a single file runs
   * it can only be that one's.
   * @param {string} path absolute; source maps may have turned it into the source already
   */
  #source(path) {
    const known = this.#sources.get(relative(ROOT, path)) ?? relative(ROOT, path);
    const [only] = this.#running;
    if (known.endsWith('.test.ts') || only === undefined || this.#running.size > 1) return known;
    return this.#sources.get(relative(ROOT, only)) ?? known;
  }

  /** @param {string} file */
  #said(file) {
    const output = this.#output.get(file)?.trim();
    return output ? `\nit printed:\n${output}` : '';
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
    const slowest = [...this.passed].sort((a, b) => b.ms - a.ms).slice(0, 5);
    if (slowest.length > 0) say(`\n${bold('slowest')}`);
    for (const { file, name, ms } of slowest) say(`  ${seconds(ms).padStart(7)}  ${dim(file)}: ${name}`);
    const total = this.passed.length + this.failed.length;
    if (total === 0) say('\nno test ran');
    say(`\n${this.passed.length} passed, ${this.failed.length} failed, ${this.skipped.length} skipped`);
    return this.failed.length === 0 && total > 0 && !(skipsFail && this.skipped.length > 0);
  }
}

/** Whether an event is about a file as a whole. @param {{ nesting: number, name: string, file?: string }} data */
function isWholeFile(data) {
  return data.nesting === 0 && data.name === data.file;
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
    return `${String(cause.stack).includes(cause.message) ? stack : `${cause.message}\n${stack}`}${extra}`;
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
