/** Text for a terminal's width. */

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
