/** Cuts a stream into lines, none longer than allowed, whatever pieces it comes in. */
import type { Readable } from 'node:stream';

const NEWLINE = 10;

export interface LineOptions {
  /** Most bytes of one line, looked up while one grows. */
  most(): number;
  line(text: string): void;
  /** A line grew past the limit; all that comes after is thrown away. Absent: a line is cut there. */
  tooLong?(): void;
}

export interface Lines {
  /** Resolves when no more will come; a last line without its newline has been handed over by then. */
  readonly over: Promise<void>;
  /** The end was read: nobody has the other side open any more. */
  readonly ended: boolean;
}

export function readLines(stream: Readable, options: LineOptions): Lines {
  let pieces: Buffer[] = [];
  let length = 0;
  let broken = false;
  let ended = false;

  const hand = (): void => {
    const text = Buffer.concat(pieces).toString('utf8');
    pieces = [];
    length = 0;
    options.line(text);
  };
  const add = (piece: Buffer): void => {
    const room = options.most() - length;
    length += piece.length;
    if (piece.length <= room) pieces.push(piece);
    else if (!options.tooLong) pieces.push(piece.subarray(0, Math.max(room, 0)));
    else {
      broken = true;
      pieces = [];
      options.tooLong();
    }
  };

  stream.on('data', (chunk: Buffer) => {
    let from = 0;
    while (!broken) {
      const at = chunk.indexOf(NEWLINE, from);
      add(chunk.subarray(from, at < 0 ? chunk.length : at));
      if (at < 0 || broken) return;
      hand();
      from = at + 1;
    }
  });
  stream.on('error', () => {});
  const over = new Promise<void>((resolve) => {
    stream.once('end', () => {
      ended = true;
      if (length > 0 && !broken) hand();
      resolve();
    });
    stream.once('close', resolve);
  });
  return {
    over,
    get ended() {
      return ended;
    },
  };
}
