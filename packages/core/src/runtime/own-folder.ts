/** Folders that only we may change: what lies in them, and where their path leads (F75). */
import { lstatSync, mkdirSync, readlinkSync, realpathSync, type Stats } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { type ErrorCode, StunmeshError } from '../api/index.js';

const GROUP_WRITES = 0o020;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;
/** More links in a row than any system follows. */
const MOST_LINKS = 40;
/** In a user namespace, whoever is not in its map; a container's mounts belong to it. */
const NOBODY = 65_534;

/** Makes the folder (mode 0700) where it is not there, and makes sure that it is ours alone. Where it cannot be made, or looked
 * at, whoever writes to it says so. Errors: `code` where somebody else may change it. */
export function claimFolder(path: string, setting: 'run_dir' | 'state_dir', code: ErrorCode): void {
  refuse(path, setting, code);
  try {
    make(resolve(path));
  } catch {
    return;
  }
  refuse(path, setting, code);
}

/** Who else than root and `user` may change this folder, or turn its path to another one, as a sentence; undefined: nobody, or it
 * cannot be seen. Default of `user`: who runs this. */
export function whoMayChange(path: string, user = process.geteuid?.() ?? 0): string | undefined {
  try {
    const at = nearest(path);
    return weakness(at, user) ?? (at === resolve(path) ? ownWeakness(at) : undefined);
  } catch {
    return undefined;
  }
}

/** Step by step: below /proc Node's own way never ends. */
function make(path: string): void {
  if (nearest(path) === path) return;
  make(dirname(path));
  mkdirSync(path, 0o700);
}

function refuse(path: string, setting: string, code: ErrorCode): void {
  const why = whoMayChange(path);
  if (why === undefined) return;
  throw new StunmeshError(
    code,
    `${setting} ${path}: ${why}; give it to the user that runs stunmesh alone (chown, chmod 700), or set ${setting} to a folder that nobody else can change`,
    { details: { path } },
  );
}

/** The part of the path that is there. */
function nearest(path: string): string {
  let at = resolve(path);
  while (at !== dirname(at)) {
    try {
      lstatSync(at);
      return at;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENOTDIR') return at;
      at = dirname(at);
    }
  }
  return at;
}

/** Who else may turn this path to another place, by what stands in it or above it. Errors: an errno. */
function weakness(path: string, user: number, links = 0): string | undefined {
  if (links > MOST_LINKS) return `${path} is a symbolic link without an end`;
  const parent = dirname(path);
  const above = parent === path ? undefined : weakness(parent, user, links);
  if (above !== undefined) return above;
  const found = lstatSync(path);
  if (![0, user, NOBODY].includes(found.uid)) return `${path} belongs to user ${found.uid}`;
  if (found.isSymbolicLink()) {
    const target = readlinkSync(path);
    return weakness(isAbsolute(target) ? target : resolve(realpathSync(parent), target), user, links + 1);
  }
  if (found.isDirectory() && othersMayReplace(found)) return `everybody may change what is in ${path}`;
  return undefined;
}

function ownWeakness(path: string): string | undefined {
  const found = lstatSync(realpathSync(path));
  if (!found.isDirectory()) return 'it is no folder';
  if ((found.mode & OTHERS_WRITE) !== 0) return 'everybody may write to it';
  const group = found.gid !== 0 && found.gid !== process.getegid?.();
  return group && (found.mode & GROUP_WRITES) !== 0 ? `group ${found.gid} may write to it` : undefined;
}

/** In a sticky folder everybody may make files, but replace only his own. */
function othersMayReplace({ mode }: Stats): boolean {
  return (mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0;
}
