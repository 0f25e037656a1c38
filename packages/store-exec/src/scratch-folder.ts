/** A private temporary folder of this process, made when it is first needed and again if somebody clears it away. */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StunmeshError } from '@stunmesh/core/api';
import { atExit } from './exit-hook.js';

const PREFIX = 'stunmesh-exec-';
/** A folder in use changes with every call. One that stood still for so long, and whose process is gone, was left by a crash. */
const LEFTOVER_MS = 10 * 60_000;

export interface ScratchFolder extends Disposable {
  /** The folder, mode 0700. `onNew` runs first when it had to be made. Errors: ERR_EXEC_SPAWN. */
  path(): string;
}

export function createScratchFolder(onNew: () => void): ScratchFolder {
  let folder: string | undefined;
  let forget: (() => void) | undefined;
  const remove = (): void => {
    forget?.();
    forget = undefined;
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    folder = undefined;
  };
  return {
    path() {
      // Tidy systems empty /tmp of what looks old.
      if (folder !== undefined && existsSync(folder)) return folder;
      remove();
      folder = makeFolder();
      forget = atExit(remove);
      onNew();
      return folder;
    },
    [Symbol.dispose]: remove,
  };
}

function makeFolder(): string {
  const places = [...new Set([tmpdir(), '/tmp', '/dev/shm', '/run'])];
  for (const place of places) {
    try {
      const made = mkdtempSync(join(place, `${PREFIX}${process.pid}-`));
      removeLeftovers(place, statSync(made).mtimeMs);
      return made;
    } catch {
      // The next one.
    }
  }
  throw new StunmeshError(
    'ERR_EXEC_SPAWN',
    `a plugin's input needs a place, and none of ${places.join(', ')} can be written; set TMPDIR to a folder that can`,
    { retry: 'later' },
  );
}

/** Removes what killed processes left in `place`; `now` is the time by that file system. */
function removeLeftovers(place: string, now: number): void {
  for (const name of readdirSync(place)) {
    const pid = /^stunmesh-exec-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || isRunning(Number(pid))) continue;
    const path = join(place, name);
    try {
      if (now - statSync(path).mtimeMs > LEFTOVER_MS) rmSync(path, { recursive: true, force: true });
    } catch {
      // Not ours, or somebody else was faster.
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
