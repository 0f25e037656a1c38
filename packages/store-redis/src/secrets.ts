/** Reads password and certificates when a connection is made, so that a rotated file counts at the next one. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import { isStunmeshError, StunmeshError } from '@stunmesh/core/api';
import type { Credentials, TlsFiles } from './settings.js';

export interface Login {
  readonly username?: string;
  readonly password?: string;
}

/** No such file is larger. */
const MOST_BYTES = 1024 * 1024;

/** Errors: ERR_STORE_DENIED for a file that cannot be read. */
export async function readLogin({ username, password }: Credentials): Promise<Login> {
  if (password === undefined) return {};
  const text = 'text' in password ? password.text : (await read('password_file', password.file)).replace(/\r?\n$/, '');
  if (text === '') throw unreadable('password_file', 'file' in password ? password.file : '', 'it is empty');
  return { ...(username === undefined ? {} : { username }), password: text };
}

/** Errors: ERR_STORE_DENIED for a file that cannot be read. */
export async function readTls({ ca, cert, key, servername }: TlsFiles): Promise<ConnectionOptions> {
  return {
    ...(ca === undefined ? {} : { ca: await read('ca', ca) }),
    ...(cert === undefined ? {} : { cert: await read('cert', cert) }),
    ...(key === undefined ? {} : { key: await read('key', key) }),
    ...(servername === undefined ? {} : { servername }),
  };
}

async function read(name: string, path: string): Promise<string> {
  try {
    // Without waiting: a FIFO that nobody writes to would hold a thread for ever (F76).
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await file.stat();
    if (!found.isFile() && !found.isDirectory()) throw unreadable(name, path, 'it is no regular file');
    if (found.size <= MOST_BYTES) return await file.readFile('utf8');
  } catch (error) {
    if (isStunmeshError(error)) throw error;
    throw unreadable(name, path, (error as NodeJS.ErrnoException).code ?? 'unknown error');
  }
  throw unreadable(name, path, 'it is larger than 1 MiB');
}

// Later, not never: the file may appear or change its mode while the daemon runs.
const unreadable = (name: string, path: string, why: string): StunmeshError =>
  new StunmeshError('ERR_STORE_DENIED', `${name}: ${path} cannot be read (${why})`, {
    retry: 'later',
    details: { path },
  });
