/** A store over a folder: a file per key, replaced atomically, watched with one watcher. */
import { stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, type Logger, STORE_KEY, type Store, StunmeshError } from '@stunmesh/core/api';
import { folderError, isErrno } from './folder-error.js';
import { createFolderWatch } from './folder-watch.js';
import { unreadableRecords } from './record-access.js';
import { readRecordFile, removeLeftovers, replaceRecordFile, type Written } from './record-file.js';

/** The longest value, in characters. */
export const MAX_VALUE = 65_536;

const VALUE = /^[0-9a-fA-F]+$/;
/** How often a writer looks for temporary files that crashed writers left, in milliseconds. */
const SWEEP_MS = 60 * 60_000;

export interface FileStoreOptions {
  /** Absolute. */
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of each record; absent: what the folder says. */
  readonly mode?: number;
}

/** A store over `path`; touches nothing until it is called (F32). */
export function createFileStore({ path, clock, logger, mode }: FileStoreOptions): Store {
  const watching = createFolderWatch({ path, clock, logger });
  let closed = false;
  let sweptAt: number | undefined;
  /** The folder was there once; before that its absence only means that nobody has written yet. */
  let folderSeen = false;

  const fileOf = (key: string, signal: AbortSignal): string => {
    if (closed) throw new StunmeshError('ERR_CLOSED', `${path}: the store is closed`);
    // Only such a name can neither leave the folder nor meet a temporary file.
    if (!STORE_KEY.test(key)) throw new StunmeshError('ERR_STORE_INPUT', 'a key has 40 lower-case hexadecimal digits');
    signal.throwIfAborted();
    return join(path, key);
  };

  /** A record that is missing with its folder is no answer: the records were lost, or their disk is not there. */
  const lookForFolder = async (): Promise<void> => {
    try {
      await stat(path);
      folderSeen = true;
    } catch (error) {
      if (folderSeen || !isErrno(error, 'ENOENT')) throw folderError(error, path);
    }
  };

  const sweep = async (written: Written): Promise<void> => {
    if (sweptAt !== undefined && clock.now() - sweptAt < SWEEP_MS) return;
    sweptAt = clock.now();
    const removed = await removeLeftovers(path, written);
    if (removed > 0) logger.info({ path, removed }, 'removed temporary files that a crash had left');
  };

  return {
    async get(key, { signal }) {
      const file = fileOf(key, signal);
      try {
        const text = await readRecordFile(file, MAX_VALUE);
        if (text === undefined) await lookForFolder();
        else folderSeen = true;
        return text;
      } catch (error) {
        throw folderError(error, file);
      }
    },

    async set(key, value, { signal }) {
      const file = fileOf(key, signal);
      if (!VALUE.test(value)) throw new StunmeshError('ERR_STORE_INPUT', 'a value is hexadecimal text');
      if (value.length > MAX_VALUE) {
        throw new StunmeshError(
          'ERR_STORE_TOO_LARGE',
          `the value has ${value.length} characters, at most ${MAX_VALUE} fit`,
        );
      }
      try {
        const written = await replaceRecordFile(path, key, value, signal, mode);
        folderSeen = true;
        await sweep(written);
      } catch (error) {
        signal.throwIfAborted();
        throw folderError(error, isErrno(error, 'EISDIR') ? file : path);
      }
    },

    async delete(key, { signal }) {
      const file = fileOf(key, signal);
      try {
        await unlink(file);
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw folderError(error, file);
      }
    },

    async watch(keys, on, { signal }) {
      for (const key of keys) fileOf(key, signal);
      return watching.add(keys, on);
    },

    async examine({ signal }) {
      signal.throwIfAborted();
      try {
        return await unreadableRecords(path);
      } catch (error) {
        throw folderError(error, path);
      }
    },

    async [Symbol.asyncDispose]() {
      closed = true;
      await watching[Symbol.asyncDispose]();
    },
  };
}
