/** What a child wrote, made fit for a log or an error (F34). */

const LONGEST = 200;

/** One line of at most 200 characters, control characters gone, hex runs that may be a record or a key replaced. */
export function oneLine(text: string): string {
  const line = text
    .slice(0, 64 * LONGEST)
    .replace(/[0-9a-fA-F]{64,}/g, '[hex]')
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim();
  return line.length > LONGEST ? `${line.slice(0, LONGEST - 1)}…` : line;
}
