/** Text for a terminal: its width, numbers in words, and nothing in it that is not seen. */

/** Controls but for line ends and tabs, and characters without a picture that change the order or look of those around them (Unicode's Cf), U+202E among them. */
const UNSEEN = /[^\P{Cc}\n\r\t]|[\p{Cf}\p{Zl}\p{Zp}\p{Co}]/gu;

/** The same text with what cannot be seen written as JSON writes it, so that JSON stays JSON. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (character) =>
    // A character beyond U+FFFF is two units.
    character.replace(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  );
}

/** Breaks between words; further lines of a paragraph are set in by `hanging`. Line breaks in the text are kept. */
export function wrap(text: string, width: number, hanging = 0): string[] {
  return text.split('\n').flatMap((paragraph, i) => {
    const indent = i === 0 ? 0 : Math.max(hanging, /^ */.exec(paragraph)?.[0].length ?? 0);
    const lines: string[] = [];
    let line = ' '.repeat(indent);
    let empty = true;
    for (const word of paragraph.trim().split(/\s+/)) {
      if (!empty && line.length + 1 + word.length > width) {
        lines.push(line);
        line = ' '.repeat(Math.max(indent, hanging));
        empty = true;
      }
      line += empty ? word : ` ${word}`;
      empty = false;
    }
    return [...lines, line];
  });
}

/** "12 s", "5 min", "3 h", "4 d": one unit is enough for a look. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} d`;
}

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

/** At most `width` characters: the middle of a longer text gives way to "…", since names differ at their ends. */
export function cutMiddle(text: string, width: number): string {
  if (text.length <= width) return text;
  const head = Math.ceil((width - 1) / 2);
  return `${text.slice(0, head)}…${text.slice(text.length - (width - 1 - head))}`;
}
