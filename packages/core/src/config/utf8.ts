/** Where a text stops being UTF-8 (RFC 3629): editors save Latin-1 and UTF-16 without a word. */
import type { Position } from './source.js';

/** Line and column of the first character that is none; of the end, where all is well. */
export function notUtf8(bytes: Uint8Array): Position {
  let [good, bad] = [0, bytes.length];
  // The longest beginning that decodes: twenty looks for a megabyte.
  while (good < bad) {
    const middle = Math.ceil((good + bad) / 2);
    if (decodes(bytes.subarray(0, middle))) good = middle;
    else bad = middle - 1;
  }
  // Without the beginning of a character that does not go on.
  const before = new TextDecoder('utf-8').decode(bytes.subarray(0, good), { stream: true });
  const lines = before.split('\n');
  return { line: lines.length, column: [...(lines.at(-1) ?? '')].length + 1 };
}

/** A character that is cut at the end is well so far. */
function decodes(beginning: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(beginning, { stream: true });
    return true;
  } catch {
    return false;
  }
}
