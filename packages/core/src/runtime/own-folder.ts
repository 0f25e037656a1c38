/** Folders that only we may change: what lies in them, and where their path leads (F75). */
import type { Stats } from 'node:fs';
import { lstat, readlink, realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, resolve } from 'node:path';
import { type ErrorCode, makeFolder, StunmeshError } from '../api/index.js';

const GROUP_WRITES = 0o020;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;
/** More links in a row than any system follows. */
const MOST_LINKS = 40;
/** In a user namespace, whoever is not in its map; a container's mounts belong to it. */
const NOBODY = 65_534;

/** Makes the folder (mode 0700) where it is not there, and makes sure that it is ours alone. Where it cannot be made, or looked
 * at, whoever writes to it says so. Errors: `code` where somebody else may change it. */
export async function claimFolder(path: string, setting: 'run_dir' | 'state_dir', code: ErrorCode): Promise<void> {
  await refuse(path, setting, code);
  try {
    await makeFolder(resolve(path), 0o700);
  } catch {
    return;
  }
  await refuse(path, setting, code);
}

/** Who else than root and `user` may change this folder, or turn its path to another one, as a sentence; undefined: nobody, or it
 * cannot be seen. Default of `user`: who runs this. */
export async function whoMayChange(path: string, user = process.geteuid?.() ?? 0): Promise<string | undefined> {
  try {
    const at = await nearest(path);
    return (await weakness(at, user)) ?? (at === resolve(path) ? await ownWeakness(at) : undefined);
  } catch {
    return undefined;
  }
}

/** Who else than the owner of a file may put another one in its place, as a sentence; undefined: nobody, or it cannot be seen. Owners of
 * folders are trusted, but for a folder like /tmp, in which everybody may make files: there only root and `users` are. */
export async function whoMayReplace(path: string, users: readonly number[]): Promise<string | undefined> {
  const trusted = [0, ...users];
  try {
    for (let at = resolve(path); at !== dirname(at); at = dirname(at)) {
      const [folder, found] = [await stat(dirname(at)), await lstat(at)];
      if (othersMayReplace(folder)) return `everybody may change what is in ${dirname(at)}`;
      const shared = (folder.mode & OTHERS_WRITE) !== 0;
      if (shared && !trusted.includes(found.uid))
        return `${at} belongs to user ${found.uid}, in a folder where everybody may make files`;
    }
    return undefined;
  } catch {
    return undefined;
  }
}

async function refuse(path: string, setting: string, code: ErrorCode): Promise<void> {
  const why = await whoMayChange(path);
  if (why === undefined) return;
  throw new StunmeshError(
    code,
    `${setting} ${path}: ${why}; give it to the user that runs stunmesh alone (chown, chmod 700), or set ${setting} to a folder that nobody else can change`,
    { details: { path } },
  );
}

/** The part of the path that is there. */
async function nearest(path: string): Promise<string> {
  let at = resolve(path);
  while (at !== dirname(at)) {
    try {
      await lstat(at);
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
async function weakness(path: string, user: number, links = 0): Promise<string | undefined> {
  if (links > MOST_LINKS) return `${path} is a symbolic link without an end`;
  const parent = dirname(path);
  const above = parent === path ? undefined : await weakness(parent, user, links);
  if (above !== undefined) return above;
  const found = await lstat(path);
  if (![0, user, NOBODY].includes(found.uid)) return `${path} belongs to user ${found.uid}`;
  if (found.isSymbolicLink()) {
    const target = await readlink(path);
    return weakness(isAbsolute(target) ? target : resolve(await realpath(parent), target), user, links + 1);
  }
  if (found.isDirectory() && othersMayReplace(found)) return `everybody may change what is in ${path}`;
  return undefined;
}

async function ownWeakness(path: string): Promise<string | undefined> {
  const found = await lstat(await realpath(path));
  if (!found.isDirectory()) return 'it is no folder';
  if ((found.mode & OTHERS_WRITE) !== 0) return 'everybody may write to it';
  const group = found.gid !== 0 && found.gid !== process.getegid?.();
  return group && (found.mode & GROUP_WRITES) !== 0 ? `group ${found.gid} may write to it` : undefined;
}

/** In a sticky folder everybody may make files, but replace only his own. */
function othersMayReplace({ mode }: Stats): boolean {
  return (mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0;
}
