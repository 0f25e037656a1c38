/** A private temporary folder of a store, made when it is first needed and again if somebody clears it away. */
import { existsSync, mkdtempSync, readdirSync, rmdirSync, statSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StunmeshError } from '@stunmesh/core/api';
import { atExit } from './exit-hook.js';

const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

export interface ScratchFolder extends Disposable {
  /** The folder, mode 0700. `onNew` runs first when it had to be made. Errors: ERR_EXEC_SPAWN. */
  path(): string;
}

/** Below the host's folder, which the host empties after a crash; without one in a shared place, from which nothing is ever
 * removed but what this process made itself (F75). */
export function createScratchFolder(onNew: () => void, hostFolder?: () => string): ScratchFolder {
  let folder: string | undefined;
  let forget: (() => void) | undefined;
  const remove = (): void => {
    forget?.();
    forget = undefined;
    if (folder !== undefined) removeFolder(folder);
    folder = undefined;
  };
  return {
    path() {
      // Tidy systems empty /tmp of what looks old.
      if (folder !== undefined && existsSync(folder)) return folder;
      remove();
      folder = hostFolder ? makeBelow(hostFolder) : makeShared();
      forget = atExit(remove);
      onNew();
      return folder;
    },
    [Symbol.dispose]: remove,
  };
}

function makeBelow(hostFolder: () => string): string {
  try {
    return mkdtempSync(join(hostFolder(), 'exec-'));
  } catch (error) {
    const { code = 'unknown error', path = 'run_dir' } = error as NodeJS.ErrnoException;
    throw new StunmeshError(
      'ERR_EXEC_SPAWN',
      `a plugin's input needs a place, and ${path} cannot be written (${code}); make run_dir writable`,
      { retry: 'later' },
    );
  }
}

function makeShared(): string {
  const places = [...new Set([tmpdir(), '/tmp', '/dev/shm', '/run'])];
  for (const place of places) {
    try {
      if (isSafe(place)) return mkdtempSync(join(place, 'stunmesh-exec-'));
    } catch {
      // The next one.
    }
  }
  throw new StunmeshError(
    'ERR_EXEC_SPAWN',
    `a plugin's input needs a place, and none of ${places.join(', ')} can be written (or others could replace what is in it); set TMPDIR to a folder that can`,
    { retry: 'later' },
  );
}

/** Nobody but its owner can put another folder in the place of ours. */
function isSafe(place: string): boolean {
  // With bigint, as the other kind of answer would stay where Node 20's next import() looks.
  const found = statSync(place, { bigint: true });
  const [uid, mode] = [Number(found.uid), Number(found.mode)];
  return (uid === 0 || uid === process.geteuid?.()) && ((mode & OTHERS_WRITE) === 0 || (mode & STICKY) !== 0);
}

/** It has files and pipes alone. By hand, as rm() looks at what it removes, and a pipe seen last confuses imports of Node 20. */
function removeFolder(folder: string): void {
  try {
    for (const name of readdirSync(folder)) unlinkSync(join(folder, name));
    rmdirSync(folder);
  } catch {
    // Gone already, with the host's folder.
  }
}
