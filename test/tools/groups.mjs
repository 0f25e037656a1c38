/** Several test files in one process: starting Node and loading the sources costs more than most files take themselves. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './workspace.mjs';

/** @typedef {{ source: string, compiled: string }} TestFile both relative to the root */

/** Tests with names like these are the runner's own: this one says whose tests follow. @param {string} source */
export const markOf = (source) => `file: ${source}`;
export const OWN_TESTS = /^file: /;

/** The file that a mark names, if the name is a mark. @param {string} name */
export const markedFile = (name) => /^file: (\S+)$/.exec(name)?.[1];

const LARGEST_GROUP = 32;
const CLOSING_LIMIT_MS = 10_000;
/** What takes longer has a process to itself: at least so long, or so large a part of all, since a busy machine stretches every time. */
const LONGEST_IN_GROUP_MS = 4000;
const LONGEST_PART = 1 / 60;
/** A group that takes longer than this part of all is not filled further: the last one would run beside idle processors. */
const LARGEST_PART = 1 / 20;

/**
 * What is measured of the whole process, or replaced in it: a file with one of these has a process of its own. What a file
 * changes and puts back (the environment, the folder, listeners) may share; run-group.mjs looks whether it was put back.
 */
const PROCESS_WIDE = [
  // Outside of a test or suite, a hook belongs to all files of the process; what removes a folder may as well come late.
  /^(before|beforeEach|afterEach)\(|^after\((?!(async )?\(\) => rm(Sync)?\()/m,
  /\bprocess\.(memoryUsage|resourceUsage|cpuUsage)\b|\bprocessorMs\(|\/proc\/(self|\$\{process\.pid\})|\bgetActiveResourcesInfo\b/,
  /\bexpose[-_]gc\b|\brequire\.cache\b|\bmoduleLoadList\b/,
  /\bmock\.(timers|module|method|getter|setter)\b|\bglobalThis(\.\w+|\[[^\]]+\])\s*=[^=]|\bsyncBuiltinESMExports\b/,
];

/** Whether a test's text lets it share its process with others. @param {string} text */
export function mayShare(text) {
  return !PROCESS_WIDE.some((pattern) => pattern.test(text));
}

/**
 * The files as groups of one process each, those first that took longest the last time.
 * @param {readonly TestFile[]} files
 * @param {Readonly<Record<string, number>>} lastMs how long each took, as far as it is known
 * @returns {TestFile[][]}
 */
export function groupFiles(files, lastMs) {
  const known = (/** @type {TestFile} */ { source }) => lastMs[source] ?? 0;
  const length = (/** @type {TestFile[]} */ group) => group.reduce((sum, file) => sum + known(file), 0);
  const all = length([...files]);
  const longest = Math.max(LONGEST_IN_GROUP_MS, all * LONGEST_PART);
  const full = (/** @type {TestFile[]} */ group) =>
    group.length >= LARGEST_GROUP || length(group) >= Math.max(LONGEST_IN_GROUP_MS, all * LARGEST_PART);
  /** @type {TestFile[][]} */
  const groups = [];
  /** @type {Map<string, TestFile[]>} per package, since its files load the same sources */
  const open = new Map();
  for (const file of files) {
    const part = file.source.split('/').slice(0, 2).join('/');
    const group = open.get(part) ?? [];
    if (known(file) > longest || !mayShare(readFileSync(join(ROOT, file.source), 'utf8'))) groups.push([file]);
    else {
      if (group.length === 0) groups.push(group);
      group.push(file);
      open.set(part, full(group) ? [] : group);
    }
  }
  return groups.sort((a, b) => length(b) - length(a));
}

/**
 * Writes the file that runs a group, and hands back its path.
 * @param {readonly TestFile[]} group
 * @param {string} folder
 * @param {number} number no other group's in this folder
 * @param {{ closingLimitMs: number }} [options] how long a file may keep the process after its last test
 */
export function writeGroup(group, folder, number, { closingLimitMs } = { closingLimitMs: CLOSING_LIMIT_MS }) {
  const path = join(folder, `group-${number}.mjs`);
  const files = group.map(({ source, compiled }) => ({ source, path: join(ROOT, compiled) }));
  const [owner, runner] = ['error-owner.mjs', 'run-group.mjs'].map((name) =>
    JSON.stringify(join(ROOT, 'test/tools', name)),
  );
  const options = JSON.stringify({ closingLimitMs, costs: join(folder, COSTS) });
  const call =
    files.length === 1
      ? `await runSingle(${JSON.stringify(files[0], undefined, 2)}, ${options});`
      : `await runGroup(${JSON.stringify(files, undefined, 2)}, ${options});`;
  writeFileSync(path, `import ${owner};\nconst { runGroup, runSingle } = await import(${runner});\n${call}\n`);
  return path;
}

const COSTS = 'costs.jsonl';

/** Processor time of each file whose group has run in the folder, children included. @param {string} folder @returns {{ file: string, ms: number }[]} */
export function readCosts(folder) {
  try {
    return readFileSync(join(folder, COSTS), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  } catch {
    return [];
  }
}

const TIMES = join(ROOT, 'node_modules/.stunmesh-times.json');
/** Read by nobody but people who look for what to make cheaper. */
const COSTS_OF_ALL = join(ROOT, 'node_modules/.stunmesh-costs.json');

/** How long each file took when it ran last on this machine. @param {string} [path] @returns {Record<string, number>} */
export function timesOfLastRun(path = TIMES) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return {};
  }
}

/** @typedef {{ file: string, ms: number }} Taken */

/** @param {readonly Taken[]} files by the clock @param {readonly Taken[]} costs processor time */
export function rememberTimes(files, costs) {
  remember(TIMES, files);
  remember(COSTS_OF_ALL, costs);
}

/** @param {string} path @param {readonly Taken[]} taken */
function remember(path, taken) {
  const all = { ...timesOfLastRun(path), ...Object.fromEntries(taken.map(({ file, ms }) => [file, Math.round(ms)])) };
  writeFileSync(path, JSON.stringify(all, undefined, 1));
}
