/** A private temporary folder with named pipes, so that children get pipes and files instead of the sockets that Node would give them:
 * on Linux nobody can open /dev/stdin, /dev/stdout or /dev/stderr when it is a socket, and shell plugins live by `. /dev/stdin`. */
import { closeSync, constants, mkdtempSync, openSync, rmSync, unlinkSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StunmeshError } from '@stunmesh/core/api';

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;

/** The host runs eight calls at once, and each has two pipes. */
const BATCH = 16;

export interface Pipe {
  /** For the child; ours is to be closed once it has started. */
  readonly writeFd: number;
  readonly reader: Socket;
  /** Gives the pipe back. `ended`: its end was read, so that nobody can write into the next call's output. */
  release(ended: boolean): void;
}

export interface Scratch extends Disposable {
  /** A descriptor of a nameless file (mode 0600) that holds `text`, to be read from its start. */
  inputFd(text: string): number;
  /** A pipe, or undefined where named pipes cannot be made. */
  takePipe(): Promise<Pipe | undefined>;
}

/** `makeFifos` creates named pipes at these paths (mkfifo(1)). Touches nothing until it is used. */
export function createScratch(makeFifos: (paths: readonly string[]) => Promise<void>): Scratch {
  let folder: string | undefined;
  let serial = 0;
  const free: string[] = [];
  let making: Promise<boolean> | undefined;

  const remove = (): void => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    folder = undefined;
    process.off('exit', remove);
  };

  const folderPath = (): string => {
    if (folder === undefined) {
      folder = makeFolder();
      process.on('exit', remove);
    }
    return folder;
  };

  const nextPath = (): string => {
    serial += 1;
    return join(folderPath(), String(serial));
  };

  const makeBatch = async (): Promise<boolean> => {
    const paths = Array.from({ length: BATCH }, nextPath);
    try {
      await makeFifos(paths);
    } catch {
      return false;
    }
    free.push(...paths);
    return true;
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
      while (free.length === 0) {
        making ??= makeBatch();
        const made = await making;
        // A failure stays: mkfifo does not appear while we run.
        if (!made) return undefined;
        if (free.length === 0) making = undefined;
      }
      making = undefined;
      const path = free.pop() ?? '';
      // Reader first and without waiting, or opening would block until the other end is there.
      const readFd = openSync(path, O_RDONLY | O_NONBLOCK);
      const writeFd = openSync(path, O_WRONLY);
      const reader = new Socket({ fd: readFd, readable: true, writable: false });
      return {
        writeFd,
        reader,
        release(ended) {
          reader.destroy();
          if (ended) free.push(path);
          else rmSync(path, { force: true });
        },
      };
    },

    [Symbol.dispose]: remove,
  };
}

function makeFolder(): string {
  const places = [...new Set([tmpdir(), '/tmp', '/dev/shm', '/run'])];
  for (const place of places) {
    try {
      return mkdtempSync(join(place, 'stunmesh-exec-'));
    } catch {
      // The next one.
    }
  }
  throw new StunmeshError(
    'ERR_EXEC_SPAWN',
    `none of ${places.join(', ')} can be written, and a plugin's input has to stand somewhere; set TMPDIR to a folder that can`,
    { retry: 'later' },
  );
}
