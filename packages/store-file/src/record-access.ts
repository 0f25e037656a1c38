/** Who may read a record besides us: what a folder that was there says, or the configuration; and what file systems refuse (F74). */
import type { Stats } from 'node:fs';
import { type FileHandle, lstat, opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { STORE_KEY, type StoreRemark } from '@stunmesh/core/api';

const STICKY = 0o1000;
const SET_GROUP = 0o2000;
/** Most entries of a folder that are looked at. */
const MOST_ENTRIES = 10_000;

/** What ZFS (aclmode=restricted), CIFS, FUSE, WSL and the like answer to what they do not know. A record is sealed, so no harm is done. */
const REFUSED: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL']);

/** Resolves also where the file system refuses it. */
export async function tolerated(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!REFUSED.has(String((error as NodeJS.ErrnoException).code))) throw error;
  }
}

/** The bits that a record takes from its folder: whoever may list it may read it, and whoever may write there may replace it anyway.
 * In a sticky folder everybody has his own files. */
export function recordMode({ mode }: Pick<Stats, 'mode'>): number {
  const others = (mode & STICKY) === 0 ? 0o066 : 0o044;
  return 0o600 | (mode & others);
}

/** Gives a new record its mode, `mode` or the folder's, and its folder's owner, so that a synchroniser can read what it shall carry. */
export async function giveAccess(file: FileHandle, made: Stats, folder: string, mode?: number): Promise<void> {
  const place = await stat(folder);
  const wanted = mode ?? recordMode(place);
  // A umask may have taken something away.
  if ((made.mode & 0o777) !== wanted) await tolerated(file.chmod(wanted));
  const group = (place.mode & SET_GROUP) !== 0 ? place.gid : made.gid;
  if (place.uid !== made.uid || group !== made.gid) await tolerated(file.chown(place.uid, group));
}

/** Records that the folder's owner cannot read, as a remark for doctor. Errors: an errno. */
export async function unreadableRecords(folder: string): Promise<readonly StoreRemark[]> {
  const place = await stat(folder);
  let records = 0;
  let hidden = 0;
  for await (const name of namesIn(folder)) {
    if (!STORE_KEY.test(name)) continue;
    const found = await lstat(join(folder, name)).catch(() => undefined);
    if (!found?.isFile()) continue;
    records += 1;
    if (!mayRead(found, place)) hidden += 1;
  }
  if (hidden === 0) return [];
  return [
    {
      text: `${hidden} of ${records} records in ${folder} cannot be read by user ${place.uid}, to whom the folder belongs: a synchroniser that runs as that user does not carry them`,
      remedy:
        'write `mode: "0644"` to this plugin (each record gets it with its next write), or give the folder to the user that runs stunmesh.',
    },
  ];
}

function mayRead(file: Stats, folder: Stats): boolean {
  if (folder.uid === 0) return true;
  if (file.uid === folder.uid) return (file.mode & 0o400) !== 0;
  if (file.gid === folder.gid && (file.mode & 0o040) !== 0) return true;
  return (file.mode & 0o004) !== 0;
}

/** At most MOST_ENTRIES names; a folder may have millions, and they need not stand in memory at once. */
export async function* namesIn(folder: string): AsyncGenerator<string> {
  let count = 0;
  for await (const { name } of await opendir(folder)) {
    count += 1;
    if (count > MOST_ENTRIES) return;
    yield name;
  }
}
