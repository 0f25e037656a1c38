/** One daemon per device: a lock file that names its holder and is not fooled by a crash (F38, F79). */
import { link, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder, StunmeshError } from '../api/index.js';
import { tooManyFiles } from './descriptor-limit.js';
import { removeLeftovers } from './leftovers.js';
import { identify, isAlive, type ProcessIdentity } from './process-identity.js';
import { removeFile } from './remove-file.js';
import { readSmallFile } from './small-file.js';
import { whyUnwritable } from './unwritable.js';

const MOST_BYTES = 4_096;

/** Takes the lock or rejects with ERR_LOCKED naming the holder, ERR_RUN_DIR when the folder cannot be used. A dead holder's lock is taken over. */
export async function takeLock(path: string): Promise<AsyncDisposable> {
  const own = await identify(process.pid);
  const temporary = `${path}.${process.pid}`;
  try {
    await makeFolder(dirname(path), 0o700);
    await writeFile(temporary, JSON.stringify(own), { mode: 0o600 });
  } catch (error) {
    const full = tooManyFiles(error);
    if (full !== undefined) throw new StunmeshError('ERR_TOO_MANY_FILES', full, { cause: error });
    throw new StunmeshError(
      'ERR_RUN_DIR',
      `cannot write to ${dirname(path)} ${await whyUnwritable(dirname(path), 'run_dir', error)}`,
      { cause: error },
    );
  }
  try {
    await acquire(path, temporary);
  } finally {
    await removeFile(temporary);
  }
  await removeLeftovers(path);
  let released = false;
  return {
    async [Symbol.asyncDispose]() {
      if (released) return;
      released = true;
      const holder = await readHolder(path);
      if (holder?.pid === own.pid && holder.born === own.born) await removeFile(path);
    },
  };
}

/** The living process that holds the lock; undefined: nobody. */
export async function lockHolder(path: string): Promise<number | undefined> {
  const holder = await readHolder(path);
  return holder && (await isAlive(holder)) ? holder.pid : undefined;
}

async function acquire(path: string, temporary: string): Promise<void> {
  for (let attempt = 0; attempt < 5; attempt += 1) {
    try {
      // link(2) fails when the name exists, so that one of two starters wins.
      await link(temporary, path);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unusable(path, error);
    }
    const holder = await readHolder(path);
    if (holder && (await isAlive(holder))) throw heldBy(holder, path);
    await replaceDead(path, temporary);
  }
  throw new StunmeshError('ERR_LOCKED', `${path} is being taken by another process; try again`);
}

/**
 * Removes a lock that nobody living holds. Only who has the claim may: of two that saw the same dead lock the slower one would
 * otherwise remove the living lock that the faster one has put in its place.
 */
async function replaceDead(path: string, temporary: string): Promise<void> {
  const claim = `${path}.claim`;
  try {
    await link(temporary, claim);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unusable(claim, error);
    const claimant = await readHolder(claim);
    if (claimant && (await isAlive(claimant))) throw heldBy(claimant, path);
    // Killed in these few lines.
    await removeFile(claim);
    return;
  }
  try {
    const holder = await readHolder(path);
    if (!(holder && (await isAlive(holder)))) await removeFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A folder, which unlink(2) refuses: somebody has to look at it.
    if (code !== 'EISDIR' && code !== 'EPERM') throw unusable(path, error);
    throw new StunmeshError('ERR_RUN_DIR', `${path} is no lock of stunmesh but a folder; remove it`, { cause: error });
  } finally {
    await removeFile(claim);
  }
}

function heldBy({ pid }: ProcessIdentity, path: string): StunmeshError {
  return new StunmeshError(
    'ERR_LOCKED',
    `another stunmesh (process ${pid}) already serves this device, by ${path}; stop it first`,
    { details: { pid } },
  );
}

function unusable(path: string, error: unknown): StunmeshError {
  const { code } = error as NodeJS.ErrnoException;
  return new StunmeshError('ERR_RUN_DIR', `cannot create ${path} (${code})`, { cause: error });
}

/** Undefined: nobody's. No process has the number 0, a negative one or a broken one; kill(2) would take them for groups. */
async function readHolder(path: string): Promise<ProcessIdentity | undefined> {
  try {
    const { pid, born } = JSON.parse((await readSmallFile(path, MOST_BYTES)) ?? '') as Partial<ProcessIdentity>;
    return Number.isSafeInteger(pid) && Number(pid) > 0 && typeof born === 'string'
      ? { pid: Number(pid), born }
      : undefined;
  } catch {
    return undefined;
  }
}
