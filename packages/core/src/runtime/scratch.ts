/** Temporary files of the daemon's parts: a folder of this process below run_dir. What a crash left the next start removes (F75, F79). */
import { type Dirent, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolderSync } from '../api/index.js';
import { identify, isAlive } from './process-identity.js';

/** Folders in folders of it: nobody makes more. */
const DEEPEST = 3;

export interface Scratch extends Disposable {
  /** The folder, mode 0700, made where it is not there. */
  folder(): string;
}

/** Below `runDir`, which nobody else may change (claimFolder). Makes nothing yet, and removes what dead processes left. */
export async function openScratch(runDir: string): Promise<Scratch> {
  const all = join(runDir, 'scratch');
  const own = join(all, `${process.pid}.${(await identify(process.pid)).born}`);
  for (const { name } of namesIn(all)) {
    const [, pid, born = ''] = /^(\d+)\.(\d*)$/.exec(name) ?? [];
    const path = join(all, name);
    if (path !== own && pid !== undefined && !(await isAlive({ pid: Number(pid), born }))) removeTree(path);
  }
  return {
    folder() {
      makeFolderSync(own, 0o700);
      return own;
    },
    [Symbol.dispose]() {
      removeTree(own);
      attempt(() => rmdirSync(all));
    },
  };
}

function namesIn(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** Follows no link. By hand, as rm() first looks at what it removes, and a pipe seen last confuses imports of Node 20. */
function removeTree(path: string, depth = 0): void {
  for (const entry of depth < DEEPEST ? namesIn(path) : []) {
    const member = join(path, entry.name);
    if (entry.isDirectory()) removeTree(member, depth + 1);
    else attempt(() => unlinkSync(member));
  }
  attempt(() => rmdirSync(path));
}

/** What cannot be removed stays: the next start tries again. */
function attempt(remove: () => void): void {
  try {
    remove();
  } catch {
    // Somebody was faster, or the file system is read-only.
  }
}
