/** Names what the operating system refused: the path, the reason, and what to do about it. */
import process from 'node:process';
import { type ErrorCode, isStunmeshError, StunmeshError } from '@stunmesh/core/api';

interface Refusal {
  readonly code: ErrorCode;
  readonly what: string;
}

const denied = (what: string): Refusal => ({ code: 'ERR_STORE_DENIED', what });
const unavailable = (what: string): Refusal => ({ code: 'ERR_STORE_UNAVAILABLE', what });

const REFUSALS: Readonly<Record<string, Refusal>> = {
  EACCES: denied('permission denied; give the user that runs stunmesh the right to read and write this folder'),
  EPERM: denied('operation not permitted; look at the owner and the attributes (lsattr) of this folder'),
  EROFS: denied('the file system is mounted read-only; mount it writable or choose another folder'),
  ENOTDIR: denied('part of the path is a file, not a folder; remove the file or choose another folder'),
  EISDIR: denied('a folder stands where a record is due; remove it'),
  ELOOP: denied('a symbolic link stands where a record is due; remove it (links are not followed)'),
  EMLINK: denied('a symbolic link stands where a record is due; remove it (links are not followed)'),
  ENAMETOOLONG: denied('the path is too long; choose a shorter one'),
  ENOENT: unavailable(
    'the folder is gone, and the next write makes it again; where none can be made (below /proc), choose another one',
  ),
  ENOSPC: unavailable('no space (or inotify watch) left; free some, or choose another folder'),
  EDQUOT: unavailable('the disk quota is used up; free some space or choose another folder'),
  EMFILE: unavailable('too many open files; raise the limit (ulimit -n)'),
  ENFILE: unavailable('too many open files on this machine'),
  EIO: unavailable('the disk reports an error; look at the kernel log'),
  ESTALE: unavailable('the network file system lost this folder; mount it again'),
};

/** A StunmeshError for what went wrong with `path`. Codes: ERR_STORE_DENIED, ERR_STORE_UNAVAILABLE. */
export function folderError(error: unknown, path: string): StunmeshError {
  if (isStunmeshError(error)) return error;
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  const refusal = REFUSALS[code] ?? unavailable('the operating system refused it');
  const hint = code === 'EROFS' && process.env['INVOCATION_ID'] !== undefined ? underSystemd(path) : '';
  const message = `${path}: ${refusal.what}${hint} (${code})`;
  return new StunmeshError(refusal.code, message, { details: { path, errno: code } });
}

/** A service of systemd may write to what its unit lists alone (systemd.exec(5), ProtectSystem=). */
function underSystemd(path: string): string {
  return `; under systemd the unit has to allow it: "systemctl edit stunmesh", [Service], ReadWritePaths=${path}`;
}

/** True for a file system error of this name. */
export function isErrno(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === code;
}
