/** Reads a file of ours that somebody may have put something else in the place of: a FIFO would hang, a sparse file would take all memory (F76). */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** Why a file was not read though it is there, in words for a sentence. */
export class OddFile extends Error {}

/** The text; undefined: there is none. Errors: OddFile, those of open(2) and read(2). */
export async function readSmallFile(path: string, mostBytes: number): Promise<string | undefined> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const seen = await file.stat();
    if (!seen.isFile()) throw new OddFile(`it is ${seen.isDirectory() ? 'a folder' : 'no regular file'}`);
    if (seen.size > mostBytes) throw new OddFile(`it has ${seen.size} bytes, and at most ${mostBytes} are read`);
    // One more than may be, for a file that grows meanwhile.
    const bytes = Buffer.alloc(Math.min(seen.size, mostBytes) + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length);
      length += bytesRead;
      if (bytesRead === 0 || length === bytes.length) break;
    }
    return bytes.toString('utf8', 0, length);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    // What open(2) says of a socket.
    if (code === 'ENXIO' || code === 'EOPNOTSUPP') throw new OddFile('it is no regular file');
    throw error;
  }
}
