/** Writes files whole or not at all, readable by their owner alone, and over nothing that is there unless told to. */
import { randomBytes } from 'node:crypto';
import { link, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder, StunmeshError } from '../api/index.js';
import { removeFile } from '../runtime/remove-file.js';

export interface NewFile extends AsyncDisposable {
  /** Where the text stands until `place` is called; beside the final path. */
  readonly path: string;
  /** Gives the file its name. Errors: ERR_USAGE when there is one already and `force` is not set. */
  place(force: boolean): Promise<void>;
}

/** Writes `text` (mode 0600) next to `path`. Disposing removes what was not placed. Errors: ERR_CONFIG_WRITE. */
export async function openNewFile(path: string, text: string): Promise<NewFile> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.new`;
  try {
    await makeFolder(dirname(path), 0o755);
    await using file = await open(temporary, 'wx', 0o600);
    await file.writeFile(text);
    await file.sync();
  } catch (error) {
    // Where the folder is none there is nothing to remove, and unlink says so.
    await removeFile(temporary).catch(() => undefined);
    throw failed(path, error);
  }
  return {
    path: temporary,
    async place(force) {
      try {
        if (force) await rename(temporary, path);
        // link(2) fails where the name exists, also when it came to be a moment ago.
        else await link(temporary, path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw failed(path, error);
        throw new StunmeshError('ERR_USAGE', alreadyThere(path));
      }
    },
    [Symbol.asyncDispose]: () => removeFile(temporary),
  };
}

export function alreadyThere(path: string): string {
  return `${path} is there already and was left as it is; name another with --output, or replace it with --force`;
}

function failed(path: string, error: unknown): StunmeshError {
  const { code } = error as NodeJS.ErrnoException;
  return new StunmeshError(
    'ERR_CONFIG_WRITE',
    `cannot write ${path} (${code}); run as root, or name another by --output`,
    {
      cause: error,
    },
  );
}
