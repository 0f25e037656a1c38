/** Where the configuration file is: search order, and reading it within bounds. */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { StunmeshError } from '../api/errors.js';
import { foldersOf } from './folders.js';
import { refuseWritable } from './writable.js';

export interface FindOptions {
  readonly file?: string;
  readonly dir?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

export interface FoundFile {
  /** As messages call it: as the user wrote it, or absolute. */
  readonly shownAs: string;
  /** Absolute. */
  readonly path: string;
  readonly bytes: Uint8Array;
  /** A regular file that everybody may read. */
  readonly worldReadable: boolean;
}

/** 10,000 peers fit in half of it; /dev/zero does not. */
const MOST_BYTES = 4 * 1024 * 1024;
const NAMES = ['config.yaml', 'config.yml'];

/** Opens and reads the file. Errors: ERR_CONFIG_NOT_FOUND (with all places searched), ERR_CONFIG_READ,
 * ERR_CONFIG_WRITABLE (this is root, and others may change the file). */
export async function findConfig(options: FindOptions): Promise<FoundFile> {
  const places: string[] = [];
  for (const shownAs of candidatesOf(options)) {
    const found = await readIfThere(shownAs, resolve(options.cwd, shownAs), options.env);
    if (typeof found === 'object') return found;
    places.push(found === 'hidden' ? `${shownAs} (its folder may not be entered)` : shownAs);
  }
  const named = options.file !== undefined || options.dir !== undefined;
  throw new StunmeshError(
    'ERR_CONFIG_NOT_FOUND',
    [
      'no configuration file found; looked for:',
      ...places.map((place) => `  ${place}`),
      named ? 'check the path' : 'write one by "stunmesh init", or name one with --config FILE or --config-dir DIR',
    ].join('\n'),
    { details: { places: places.join(', ') } },
  );
}

/** A file that is named beats a folder that is named; an empty expansion is skipped. */
function candidatesOf({ file, dir, env }: FindOptions): string[] {
  if (file !== undefined) return [file];
  const home = env['HOME'];
  const folders = [env['STUNMESH_CONFIG_DIR'], ...foldersOf().config, home ? join(home, '.stunmesh') : undefined, '.'];
  const searched = dir === undefined ? folders.filter((folder) => folder !== undefined && folder !== '') : [dir];
  return [...new Set(searched.flatMap((folder) => NAMES.map((name) => join(folder ?? '', name))))];
}

async function readIfThere(
  shownAs: string,
  path: string,
  env: FindOptions['env'],
): Promise<FoundFile | 'absent' | 'hidden'> {
  try {
    await using handle = await open(path, 'r');
    const bytes = await readBounded(handle, shownAs);
    const found = await handle.stat();
    const { mode } = found;
    const regular = (mode & 0o170000) === 0o100000;
    if (regular) await refuseWritable(shownAs, path, found, env);
    return { shownAs, path, bytes, worldReadable: regular && (mode & 0o004) !== 0 };
  } catch (error) {
    const code = String((error as NodeJS.ErrnoException).code);
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'absent';
    if (error instanceof StunmeshError) throw error;
    // a folder that is closed to us says nothing about a file in it
    if (code === 'EACCES' && (await isHidden(path))) return 'hidden';
    throw new StunmeshError('ERR_CONFIG_READ', `${shownAs}: cannot be read: ${reasonOf(code)}`, {
      details: { file: path, reason: code },
    });
  }
}

async function isHidden(path: string): Promise<boolean> {
  return stat(path).then(
    () => false,
    () => true,
  );
}

function reasonOf(code: string): string {
  if (code === 'EACCES') return 'permission denied (EACCES); run as a user that may read it, or change its mode';
  return code === 'EISDIR' ? 'it is a folder (EISDIR); use --config-dir, or name the file in it' : code;
}

/** Reads to the end, of pipes too (-c <(make-config)). */
async function readBounded(handle: FileHandle, shownAs: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const { bytesRead, buffer } = await handle.read(new Uint8Array(64 * 1024), 0, 64 * 1024, null);
    if (bytesRead === 0) return Uint8Array.from(Buffer.concat(chunks));
    total += bytesRead;
    if (total > MOST_BYTES)
      throw new StunmeshError('ERR_CONFIG_READ', `${shownAs}: longer than ${MOST_BYTES} bytes; is it the right file?`);
    chunks.push(buffer.subarray(0, bytesRead));
  }
}
