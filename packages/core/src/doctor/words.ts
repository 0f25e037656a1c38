/** Numbers in the words of a report. */

export { formatAge } from '../runtime/terminal-text.js';

export function formatMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

export function count(many: number, word: string): string {
  return `${many} ${word}${many === 1 ? '' : 's'}`;
}

/** "a", "a and b", "a, b and c". */
export function list(words: readonly string[]): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/** "0x64" as `ip rule` and `wg` write it. */
export function formatMark(mark: number): string {
  return `0x${mark.toString(16)}`;
}
