/**
 * Removes one file, which may be a socket or a FIFO that a crash left behind (F79). Never by fs.rm: in Node 20 that looks at the
 * file first and leaves "a socket" where the next import() through a symlink reads what the parts of its path are. The module is
 * then loaded by the path of the symlink, and finds none of the packages that it needs.
 */
import { unlink } from 'node:fs/promises';

/** Resolves also where there is none. Rejects as unlink(2) does. */
export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
