/** Which tests a command line asks for, and what it may have meant where there are none. */

/** @typedef {{ parts: readonly string[], name: RegExp | undefined }} Selection */

const LONG = /^test\/(e2e|vm|bench)\//;
const NEAR = 6;

/** Whether a test needs the laboratory or a virtual machine. @param {string} source */
export const isLong = (source) => LONG.test(source);

/**
 * `PART…` are `unit`, `e2e` or parts of paths; `--name TEXT` or `--name /PATTERN/` is part of a test's name.
 * @param {readonly string[]} args
 * @returns {Selection | string} a string says what is wrong
 */
export function parseSelection(args) {
  const parts = [];
  let name;
  for (let index = 0; index < args.length; index += 1) {
    const argument = args[index] ?? '';
    const [, inline] = /^--name=(.*)$/s.exec(argument) ?? [];
    if (argument === '--name' || inline !== undefined) {
      const text = inline ?? args[++index] ?? '';
      if (text === '') return "--name wants a part of a test's name, or /a pattern/";
      const pattern = /^\/(.+)\/$/s.exec(text)?.[1] ?? text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
      try {
        name = new RegExp(pattern, 'i');
      } catch (error) {
        return `--name ${text}: ${error instanceof Error ? error.message : error}`;
      }
    } else if (argument.startsWith('-')) return `${argument}: there is only --name TEXT`;
    else parts.push(argument);
  }
  return { parts, name };
}

/** @param {string} source @param {string} part */
export function matches(source, part) {
  if (part === 'unit') return !isLong(source);
  if (part === 'e2e') return isLong(source);
  return source.includes(part);
}

/**
 * Those that are most like a text that matched nothing, most alike first.
 * @param {string} text
 * @param {readonly string[]} candidates
 */
export function near(text, candidates) {
  const wanted = words(text);
  return candidates
    .map((candidate) => {
      const own = words(candidate);
      const cost = wanted.reduce((sum, word) => sum + Math.min(1, ...own.map((other) => unlike(word, other))), 0);
      return { candidate, cost: cost + own.length / 1000 };
    })
    .sort((a, b) => a.cost - b.cost)
    .slice(0, NEAR)
    .map(({ candidate }) => candidate);
}

/** @param {string} text */
function words(text) {
  return text
    .toLowerCase()
    .replace(/\.test(\.[jt]s)?$/, '')
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '' && word !== 'test' && word !== 'packages');
}

/** 0: the same, 1: nothing in common; the beginning of a word is like the word. @param {string} word @param {string} other */
function unlike(word, other) {
  const whole = distance(word, other) / Math.max(word.length, other.length);
  return Math.min(whole, 0.1 + distance(word, other.slice(0, word.length)) / word.length);
}

/** How many letters have to change: Levenshtein's distance. @param {string} a @param {string} b */
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let line = 1; line <= a.length; line += 1) {
    const above = row;
    row = [line];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[line - 1] === b[column - 1] ? 0 : 1;
      row.push(Math.min((row[column - 1] ?? 0) + 1, (above[column] ?? 0) + 1, (above[column - 1] ?? 0) + same));
    }
  }
  return row[b.length] ?? 0;
}

/**
 * The names of tests that a source declares, as they are written; a name put together from parts has its parts in it.
 * @param {string} text
 */
export function testNames(text) {
  const declared =
    /\b(?:\w*[tT]est|it|describe|suite)\(\s*(?:'((?:\\.|[^'\\\n])+)'|"((?:\\.|[^"\\\n])+)"|`((?:\\.|[^`\\])+)`)/g;
  return [...text.matchAll(declared)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}
