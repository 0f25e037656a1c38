/** Reads and replaces single files of a folder: never torn, never through a symbolic link, in modes that no umask changes. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, type FileHandle, lstat, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, StunmeshError } from '@stunmesh/core/api';
import { isErrno } from './folder-error.js';
import { giveAccess, namesIn, tolerated } from './record-access.js';

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
/** White space that another writer may have left around the value (an `echo` ends its line). */
const SLACK = 16;
/** Room for a record as they usually are. */
const USUAL_BYTES = 1024;
/** A temporary file is written within seconds; one older than this was left by a crash. */
const LEFTOVER_MS = 10 * 60_000;
const LEFTOVER = /^\.[0-9a-f]{40}\.[0-9a-f]{16}\.tmp$/;

/** The file's text, undefined where there is none. Errors: ERR_STORE_TOO_LARGE, ERR_STORE_DENIED, or an errno. */
export async function readRecordFile(path: string, maxBytes: number): Promise<string | undefined> {
  let file: FileHandle;
  try {
    // O_NONBLOCK: a FIFO under this name must not hold a thread.
    file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    if (!(await file.stat()).isFile()) {
      throw new StunmeshError('ERR_STORE_DENIED', `${path}: not a regular file; remove it`, { details: { path } });
    }
    let buffer = Buffer.alloc(USUAL_BYTES);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
      length += bytesRead;
      if (bytesRead === 0 || length > maxBytes + SLACK) break;
      if (length === buffer.length) buffer = Buffer.concat([buffer], maxBytes + SLACK + 1);
    }
    const text = buffer.toString('latin1', 0, length).trim();
    if (length > maxBytes + SLACK || text.length > maxBytes) {
      throw new StunmeshError(
        'ERR_STORE_TOO_LARGE',
        `${path}: longer than ${maxBytes} bytes, so it is no record; remove it`,
        {
          retry: 'later',
          details: { path },
        },
      );
    }
    // Empty: a writer that is not atomic has just begun. No record yet.
    return text === '' ? undefined : text;
  } finally {
    await file.close();
  }
}

/** Makes the folder if need be; the mode is set by hand, as mkdir's is cut by the umask. */
async function ensureFolder(folder: string): Promise<void> {
  if (await makeFolder(folder, FOLDER_MODE)) await tolerated(chmod(folder, FOLDER_MODE));
}

async function createTemporary(folder: string, name: string): Promise<{ file: FileHandle; path: string }> {
  const path = join(folder, `.${name}.${randomBytes(8).toString('hex')}.tmp`);
  return { file: await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, FILE_MODE), path };
}

/** A file that was just written, as its file system shows it. */
export interface Written {
  /** That folder's idea of now, in milliseconds since 1970. */
  readonly at: number;
  /** Whom it takes us for. */
  readonly uid: number;
}

/** Replaces `folder`/`name` by `text` in one step: readers see the old or the new, also after a power cut.
 * `mode`: the record's, instead of what its folder says. Errors: an errno. */
export async function replaceRecordFile(
  folder: string,
  name: string,
  text: string,
  signal: AbortSignal,
  mode?: number,
): Promise<Written> {
  const temporary = await createTemporary(folder, name).catch(async (error: unknown) => {
    if (!isErrno(error, 'ENOENT')) throw error;
    await ensureFolder(folder);
    return createTemporary(folder, name);
  });
  try {
    let written: Written;
    try {
      await temporary.file.writeFile(text);
      // Without it a rename may reach the disk before the data does.
      await tolerated(temporary.file.datasync());
      const made = await temporary.file.stat();
      written = { at: made.mtimeMs, uid: made.uid };
      await giveAccess(temporary.file, made, folder, mode);
    } finally {
      await temporary.file.close();
    }
    signal.throwIfAborted();
    await rename(temporary.path, join(folder, name));
    return written;
  } catch (error) {
    await unlink(temporary.path).catch(() => {});
    throw error;
  }
}

/** Removes temporary files that a crash of ours left, by the folder's own clock. The folder may be anybody's: only what is a file of
 * ours goes (F75). What cannot be removed stays. */
export async function removeLeftovers(folder: string, { at, uid }: Written): Promise<number> {
  let removed = 0;
  try {
    for await (const name of namesIn(folder)) {
      if (LEFTOVER.test(name) && (await removeLeftover(join(folder, name), at, uid))) removed += 1;
    }
  } catch {
    // The folder went away.
  }
  return removed;
}

async function removeLeftover(path: string, now: number, owner: number): Promise<boolean> {
  try {
    const found = await lstat(path);
    if (!found.isFile() || found.uid !== owner || now - found.mtimeMs < LEFTOVER_MS) return false;
    await unlink(path);
    return true;
  } catch {
    // Another machine was faster.
    return false;
  }
}
