/** One daemon per device: a lock file that names its holder and is not fooled by a crash (F38). */
import { link, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StunmeshError } from '../api/index.js';
import { removeFile } from './remove-file.js';

interface Holder {
  readonly pid: number;
  /** Tells this process from a later one with the same number, where the system shows it. */
  readonly born: string;
}

/** Takes the lock or rejects with ERR_LOCKED naming the holder, ERR_RUN_DIR when the folder cannot be used. A dead holder's lock is taken over. */
export async function takeLock(path: string): Promise<AsyncDisposable> {
  const own: Holder = { pid: process.pid, born: await bornAt(process.pid) };
  const temporary = `${path}.${process.pid}`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(temporary, JSON.stringify(own), { mode: 0o600 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new StunmeshError(
      'ERR_RUN_DIR',
      `cannot write to ${dirname(path)} (${code}); run as root, or set run_dir to a folder of your own`,
      { cause: error },
    );
  }
  try {
    await acquire(path, temporary);
  } finally {
    await removeFile(temporary);
  }
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

async function acquire(path: string, temporary: string): Promise<void> {
  for (let attempt = 0; attempt < 5; attempt += 1) {
    try {
      // link(2) fails when the name exists, so that one of two starters wins.
      await link(temporary, path);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw new StunmeshError('ERR_RUN_DIR', `cannot create ${path} (${(error as NodeJS.ErrnoException).code})`, {
          cause: error,
        });
      }
    }
    const holder = await readHolder(path);
    if (holder && (await isAlive(holder))) {
      throw new StunmeshError(
        'ERR_LOCKED',
        `another stunmesh (process ${holder.pid}) already serves this device, by ${path}; stop it first`,
        { details: { pid: holder.pid } },
      );
    }
    // Move the dead lock aside under a name of our own, so that two starters cannot both remove each other's fresh lock.
    const grave = `${temporary}.dead`;
    try {
      await rename(path, grave);
      // Another starter may have taken it between our look and the move: it gets it back.
      const buried = await readHolder(grave);
      if (buried && (await isAlive(buried))) await link(grave, path);
      await removeFile(grave);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'EEXIST') throw error;
    }
  }
  throw new StunmeshError('ERR_LOCKED', `${path} is being taken by another process; try again`);
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    const value = JSON.parse(await readFile(path, 'utf8')) as Partial<Holder>;
    return typeof value.pid === 'number' && typeof value.born === 'string'
      ? { pid: value.pid, born: value.born }
      : undefined;
  } catch {
    return undefined;
  }
}

export async function isAlive(holder: Holder): Promise<boolean> {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return (await bornAt(holder.pid)) === holder.born;
}

/** Start time of a process by proc(5), field 22; empty where there is no /proc (then a process number alone must do). */
export async function bornAt(pid: number): Promise<string> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
