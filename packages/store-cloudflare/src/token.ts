/** Where the API token comes from: the configuration, a file, or the environment; read when it is needed, never shown (F34). */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { isStunmeshError, StunmeshError } from '@stunmesh/core/api';

export const DEFAULT_TOKEN_ENV = 'CLOUDFLARE_API_TOKEN';
/** A token has 40 characters today; anything longer than this is another file. */
const LONGEST_FILE = 4096;

export interface TokenSource {
  readonly token?: string;
  readonly token_file?: string;
  readonly token_env?: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** A function that reads the token anew at each call, so that a renewed file is picked up.
 * Errors here: ERR_CONFIG_INVALID. Errors of the function: ERR_STORE_DENIED. */
export function createTokenReader(source: TokenSource, environment: Environment): () => Promise<string> {
  const { token, token_file: file, token_env: variable } = source;
  const given = [token, file, variable].filter((value) => value !== undefined);
  if (given.length > 1) {
    throw new StunmeshError('ERR_CONFIG_INVALID', 'write only one of token, token_file and token_env', {
      details: { key: token === undefined ? 'token_file' : 'token' },
    });
  }
  if (token !== undefined) return async () => checkToken(token, 'token');
  if (file !== undefined) {
    const path = absolute(file, environment);
    return async () => checkToken(await readSmallFile(path), path);
  }
  const name = variable ?? DEFAULT_TOKEN_ENV;
  return async () => {
    const text = environment[name];
    if (text !== undefined && text !== '') return checkToken(text, name);
    throw new StunmeshError(
      'ERR_STORE_DENIED',
      `there is no API token: write token_file, or set ${name} in the daemon's environment`,
    );
  };
}

/** A bare name is one of systemd's credentials (LoadCredential=, systemd.exec(5)). */
function absolute(file: string, environment: Environment): string {
  if (isAbsolute(file)) return file;
  const folder = environment['CREDENTIALS_DIRECTORY'];
  if (folder !== undefined && isAbsolute(folder) && !file.includes('/') && file !== '..') return join(folder, file);
  throw new StunmeshError(
    'ERR_CONFIG_INVALID',
    `token_file "${file}" is relative; write an absolute path, or the name of a credential that the service loads`,
    { details: { key: 'token_file' } },
  );
}

async function readSmallFile(path: string): Promise<string> {
  try {
    // Without waiting: a FIFO that nobody writes to would hold a thread for ever (F76).
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await file.stat();
    if (!found.isFile() && !found.isDirectory()) throw unreadable(path, 'it is no regular file');
    const buffer = Buffer.alloc(LONGEST_FILE + 1);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    if (bytesRead > LONGEST_FILE) throw unreadable(path, `it is longer than ${LONGEST_FILE} bytes`);
    return buffer.toString('latin1', 0, bytesRead);
  } catch (error) {
    if (isStunmeshError(error)) throw error;
    throw unreadable(path, (error as NodeJS.ErrnoException).code ?? 'unknown error');
  }
}

function unreadable(path: string, why: string): StunmeshError {
  return new StunmeshError('ERR_STORE_DENIED', `${path}: the API token cannot be read (${why}); check path and mode`, {
    details: { path, errno: why },
  });
}

/** What can stand in a header, and no more: the text is never quoted in the message. */
function checkToken(text: string, where: string): string {
  const token = text.trim();
  if (/^[\x21-\x7e]{8,512}$/.test(token)) return token;
  const what = token === '' ? 'is empty' : 'holds something that is no API token (one word of 8 to 512 characters)';
  throw new StunmeshError('ERR_STORE_DENIED', `${where} ${what}; make one at dash.cloudflare.com/profile/api-tokens`);
}
