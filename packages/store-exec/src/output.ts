/** Gathers what a child prints, up to a limit. */
import type { Readable } from 'node:stream';

/** Most that a child may print to stdout, and to stderr, in bytes. */
export const MAX_OUTPUT = 65_536;

export interface Output {
  text(): string;
  /** More than the limit came. */
  readonly full: boolean;
  /** The end was read: nobody has the other side open any more. */
  readonly ended: boolean;
  /** Resolves when no more will come. */
  readonly over: Promise<void>;
}

/** `onFull` is called when the limit is passed; nothing is read any more then. */
export function gatherOutput(stream: Readable, onFull: () => void, most = MAX_OUTPUT): Output {
  const chunks: Buffer[] = [];
  let length = 0;
  let ended = false;
  stream.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length <= most) {
      chunks.push(chunk);
      return;
    }
    // Until it is gone it may print as much as it can.
    stream.destroy();
    onFull();
  });
  // What breaks while the child is being ended says nothing new.
  stream.on('error', () => {});
  const over = new Promise<void>((resolve) => {
    stream.once('end', () => {
      ended = true;
      resolve();
    });
    stream.once('close', resolve);
  });
  return {
    text: () => Buffer.concat(chunks).toString('utf8'),
    get full() {
      return length > most;
    },
    get ended() {
      return ended;
    },
    over,
  };
}
