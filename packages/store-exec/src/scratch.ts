/** Files and named pipes for children, instead of the sockets that Node would give them: on Linux nobody can open /dev/stdin,
 * /dev/stdout or /dev/stderr when it is a socket, and shell plugins live by `. /dev/stdin`. */
import { closeSync, constants, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { openPipeReader } from './pipe-reader.js';
import { createScratchFolder } from './scratch-folder.js';

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;

/** The host runs eight calls at once, and each has two pipes. */
const BATCH = 16;
/** How often a pipe is looked for before a call does without. */
const TRIES = 4;

export interface Pipe {
  /** For the child; ours is to be closed once it has started. */
  readonly writeFd: number;
  readonly reader: Readable;
  /** Gives the pipe back. `ended`: its end was read, so that nobody can write into the next call's output. */
  release(ended: boolean): void;
}

export interface Scratch extends Disposable {
  /** A descriptor of a nameless file (mode 0600) that holds `text`, to be read from its start. */
  inputFd(text: string): number;
  /** A pipe, or undefined where named pipes cannot be made. */
  takePipe(): Promise<Pipe | undefined>;
}

/** `makeFifos` creates named pipes at these paths (mkfifo(1)), `hostFolder` is StoreComponents'. Touches nothing until it is used. */
export function createScratch(
  makeFifos: (paths: readonly string[]) => Promise<void>,
  hostFolder?: () => string,
): Scratch {
  let serial = 0;
  let free: string[] = [];
  let making: Promise<void> | undefined;
  const folder = createScratchFolder(() => {
    free = [];
  }, hostFolder);

  const nextPath = (): string => {
    serial += 1;
    return join(folder.path(), String(serial));
  };

  const makeBatch = async (): Promise<void> => {
    const paths = Array.from({ length: BATCH }, nextPath);
    try {
      await makeFifos(paths);
      free.push(...paths);
    } finally {
      making = undefined;
    }
  };

  const openPipe = (path: string): Pipe => {
    // Reader first and without waiting, or opening would block until the other end is there.
    const readFd = openSync(path, O_RDONLY | O_NONBLOCK);
    let writeFd: number;
    try {
      writeFd = openSync(path, O_WRONLY);
    } catch (error) {
      closeSync(readFd);
      throw error;
    }
    const reader = openPipeReader(readFd);
    return {
      writeFd,
      reader,
      release(ended) {
        reader.destroy();
        if (ended) free.push(path);
        else removePipe(path);
      },
    };
  };

  return {
    inputFd(text) {
      const path = nextPath();
      const fd = openSync(path, 'wx+', 0o600);
      try {
        unlinkSync(path);
        writeSync(fd, text, 0);
        return fd;
      } catch (error) {
        closeSync(fd);
        throw error;
      }
    },

    async takePipe() {
      for (let attempt = 0; attempt < TRIES; attempt += 1) {
        folder.path();
        const path = free.pop();
        try {
          if (path !== undefined) return openPipe(path);
          making ??= makeBatch();
          await making;
        } catch (error) {
          // Somebody cleared this pipe away; another one will do.
          if (path !== undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') continue;
          if (path !== undefined) throw error;
          return undefined;
        }
      }
      return undefined;
    },

    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

function removePipe(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody cleared it away.
  }
}
