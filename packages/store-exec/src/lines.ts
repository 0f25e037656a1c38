/** Cuts a stream into lines, none longer than allowed, whatever pieces it comes in. */
import type { Readable } from 'node:stream';

export const NEWLINE = 10;
/** Pieces of a line that are kept apart. */
const MOST_PIECES = 256;

export interface LineOptions {
  /** Most bytes of one line, looked up while one grows. */
  most(): number;
  /** Called with each piece before its lines are cut out. */
  read?(chunk: Buffer): void;
  /** `bytes`: how long it was before it was cut, its newline included. */
  line(text: string, bytes: number): void;
  /** A line grew past the limit, and nothing is read any more. Absent: a line is cut there. */
  tooLong?(): void;
}

export interface Lines {
  /** Resolves when no more will come; a last line without its newline has been handed over by then. */
  readonly over: Promise<void>;
  /** The end was read: nobody has the other side open any more. */
  readonly ended: boolean;
  /** Reads nothing any more, and hands over nothing of what was read; whoever still writes gets an error. */
  stop(): void;
}

export function readLines(stream: Readable, options: LineOptions): Lines {
  let pieces: Buffer[] = [];
  let length = 0;
  let broken = false;
  let ended = false;

  const hand = (): void => {
    const text = Buffer.concat(pieces).toString('utf8');
    const bytes = length + 1;
    pieces = [];
    length = 0;
    options.line(text, bytes);
  };
  const add = (piece: Buffer): void => {
    const room = options.most() - length;
    length += piece.length;
    if (piece.length <= room) pieces.push(piece);
    else if (!options.tooLong) pieces.push(piece.subarray(0, Math.max(room, 0)));
    else {
      stop();
      options.tooLong();
    }
    // A byte at a time must not cost a buffer a byte.
    if (pieces.length > MOST_PIECES) pieces = [Buffer.concat(pieces)];
  };
  const stop = (): void => {
    broken = true;
    pieces = [];
    stream.destroy();
  };

  stream.on('data', (chunk: Buffer) => {
    options.read?.(chunk);
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
    stop,
    get ended() {
      return ended;
    },
  };
}
