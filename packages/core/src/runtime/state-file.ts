/** A small JSON file that survives crashes: replaced as a whole, readable by its owner alone. */
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder, StunmeshError } from '../api/index.js';
import { removeFile } from './remove-file.js';
import { OddFile, readSmallFile } from './small-file.js';
import { whyUnwritable } from './unwritable.js';

/** That of a thousand peers has 150 KB. */
const MOST_BYTES = 4 * 1024 * 1024;

/** The file's value; undefined when there is none. Errors: ERR_STATE (unreadable, too large, no regular file, not JSON). */
export async function readStateFile(path: string): Promise<unknown> {
  let text: string | undefined;
  try {
    text = await readSmallFile(path, MOST_BYTES);
  } catch (error) {
    const why = error instanceof OddFile ? `: ${error.message}` : ` (${(error as NodeJS.ErrnoException).code})`;
    throw new StunmeshError('ERR_STATE', `cannot read the state file ${path}${why}; the daemon goes on without it`, {
      cause: error,
    });
  }
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new StunmeshError('ERR_STATE', `the state file ${path} is damaged (not JSON); it will be written anew`);
  }
}

/** Replaces the file: temporary name in the same folder, flushed, renamed; mode 0600, its folder 0700 when made. Errors: ERR_STATE. */
export async function writeStateFile(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await makeFolder(dirname(path), 0o700);
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(value)}\n`);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await removeFile(temporary).catch(() => undefined);
    throw new StunmeshError(
      'ERR_STATE',
      `cannot write the state file ${path} ${await whyUnwritable(dirname(path), 'state_dir', error)}`,
      { cause: error },
    );
  }
}
