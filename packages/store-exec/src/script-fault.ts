/** Why a program did not start, told by its own first line: read only once it has failed. */
import { accessSync, closeSync, constants, openSync, readSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';

/** A first line that is longer than that the kernel does not take (BINPRM_BUF_SIZE). */
const LONGEST = 256;

/** A sentence; undefined: its first line says nothing about it. */
export function scriptFault(command: string, path: string | undefined): string | undefined {
  const line = firstLine(inPath(command, path) ?? command);
  if (line === undefined || !line.startsWith('#!')) return undefined;
  if (line.endsWith('\r')) return 'its first line ends in a carriage return (CRLF); save it with Unix line ends';
  const [interpreter = '', argument] = line.slice(2).trim().split(/\s+/);
  if (isAbsolute(interpreter) && !canRun(interpreter)) return `its interpreter ${interpreter} is missing; install it`;
  if (!/\/env$/.test(interpreter) || argument === undefined || argument.startsWith('-')) return undefined;
  return inPath(argument, path) === undefined ? `its interpreter ${argument} is not in PATH; install it` : undefined;
}

function inPath(name: string, path = '/usr/bin:/bin'): string | undefined {
  if (name.includes('/')) return canRun(name) ? name : undefined;
  return path
    .split(':')
    .map((folder) => join(folder, name))
    .find(canRun);
}

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function firstLine(path: string): string | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const buffer = Buffer.alloc(LONGEST);
    return buffer.toString('latin1', 0, readSync(fd, buffer, 0, LONGEST, 0)).split('\n', 1)[0];
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
