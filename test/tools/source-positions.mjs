/** Positions in compiled files as positions in their sources: read when a test has failed, since maps cost every process its start. */
import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { dirname, join } from 'node:path';

/** A compiled file with line and column, as a stack has it: an URL or a path. */
const POSITION = /(?:file:\/\/)?(\/[^\s():]+\.js):(\d+):(\d+)/g;

/**
 * A text, for example a stack, with the positions of our compiled files replaced.
 * @param {string} text
 */
export function withSourcePositions(text) {
  /** @type {Map<string, SourceMap | undefined>} */
  const maps = new Map();
  return text.replaceAll(POSITION, (position, /** @type {string} */ path, line, column) => {
    if (!maps.has(path)) maps.set(path, mapOf(path));
    const entry = maps.get(path)?.findEntry(Number(line) - 1, Number(column) - 1);
    if (!entry || !('originalSource' in entry)) return position;
    return `${join(dirname(path), entry.originalSource)}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  });
}

/** @param {string} path */
function mapOf(path) {
  try {
    return new SourceMap(JSON.parse(readFileSync(`${path}.map`, 'utf8')));
  } catch {
    // Not compiled by us.
    return undefined;
  }
}
