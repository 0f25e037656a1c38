/** Why a folder of ours cannot be written to, and what helps, by what the system says (mkdir(2), open(2)). */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A clause such as "(EROFS): its file system is read-only; …". `setting`: the key of the configuration that names the folder. */
export async function whyUnwritable(folder: string, setting: 'run_dir' | 'state_dir', error: unknown): Promise<string> {
  const code = await realCode(folder, (error as NodeJS.ErrnoException).code);
  const another = `set ${setting} to a folder of your own`;
  if (code === 'EROFS')
    return `(EROFS): its file system is read-only; set ${setting} to a folder on one that is not, such as a tmpfs`;
  if (code === 'ENOSPC' || code === 'EDQUOT') return `(${code}): its file system is full; make room, or ${another}`;
  if (process.geteuid?.() === 0) return `(${code}); make its folder writable, or ${another}`;
  return `(${code}); run as root, or ${another}`;
}

/** Making folder after folder, Node says ENOENT where the first of them cannot be made. */
async function realCode(folder: string, code: string | undefined): Promise<string | undefined> {
  if (code !== 'ENOENT') return code;
  for (let at = folder; at !== dirname(at); at = dirname(at)) {
    const refused = await access(at, constants.W_OK).then(
      () => 'writable',
      (error: NodeJS.ErrnoException) => error.code,
    );
    if (refused !== 'ENOENT') return refused === 'writable' ? code : refused;
  }
  return code;
}
