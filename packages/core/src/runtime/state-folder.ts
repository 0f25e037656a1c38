/** Folders below state_dir in which stores keep what they remember: made when the first thing is to be kept, for us alone (F75). */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../api/index.js';

/** `stateDir` belongs to us, and nobody else can change it (claimFolder). A tool that another user runs makes nothing in it: the
 * daemon could not use it. Errors: an errno. */
export async function stateFolder(stateDir: string, store: string): Promise<string> {
  const { uid } = await stat(stateDir);
  if (uid !== process.geteuid?.())
    throw Object.assign(new Error(`${stateDir} belongs to user ${uid}`), { code: 'EPERM' });
  const folder = join(stateDir, 'stores', folderName(store));
  await makeFolder(folder, 0o700);
  return folder;
}

/** A plugin may be called anything. */
function folderName(store: string): string {
  return /^[\w-][\w.-]{0,63}$/.test(store) ? store : `x${Buffer.from(store).toString('hex').slice(0, 128)}`;
}
