/** A page that is drawn again and again: on a terminal in its alternate screen, elsewhere one page after the other. */
import type { CliContext } from './context.js';

export interface Screen {
  draw(page: string): void;
  /** Gives the terminal back as it was. */
  close(): void;
}

/** ECMA-48 and xterm: the alternate screen without a cursor, and back. */
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
/** What an earlier page had further right, and further down. */
const END_OF_LINE = '\u001b[K';
const END_OF_SCREEN = '\u001b[J';

export function openScreen(context: CliContext): Screen {
  let pages = 0;
  if (context.rows === undefined)
    return {
      draw(page) {
        context.stdout(`${pages === 0 ? '' : '\n'}${page}`);
        pages += 1;
      },
      close: () => undefined,
    };
  context.stdout(ENTER);
  return {
    // Overwritten in place, in one write: nothing flickers.
    draw(page) {
      const lines = fitting(page.trimEnd().split('\n'), context.rows ?? Number.POSITIVE_INFINITY);
      context.stdout(`${HOME}${lines.map((line) => `${line}${END_OF_LINE}`).join('\r\n')}${END_OF_SCREEN}`);
    },
    close: () => context.stdout(LEAVE),
  };
}

/** As many lines as there is room for; the last one says how many are not seen. */
function fitting(lines: readonly string[], rows: number): readonly string[] {
  if (lines.length <= rows) return lines;
  return [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines; --not-connected or --peer show less`];
}
