/** Makes a folder and those above it: below /proc, where nothing can be made, Node's own recursive way never ends. */
import { accessSync, mkdirSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

type Errno = NodeJS.ErrnoException;

/** True: it was made; false: it was there. What is made above it has the same mode. Errors: an errno. */
export async function makeFolder(path: string, mode: number): Promise<boolean> {
  const once = () => mkdir(path, { mode }).catch((error: Errno) => error);
  let failed = await once();
  if (failed?.code === 'ENOENT' && dirname(path) !== path) {
    await makeFolder(dirname(path), mode);
    failed = await once();
  }
  if (!failed) return true;
  const found = failed.code === 'ENOENT' ? undefined : await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return false;
  throw failed;
}

/** The same for who cannot wait. */
export function makeFolderSync(path: string, mode: number): boolean {
  const once = () => attempt(() => mkdirSync(path, { mode }));
  let failed = once();
  if (failed?.code === 'ENOENT' && dirname(path) !== path) {
    makeFolderSync(dirname(path), mode);
    failed = once();
  }
  if (!failed) return true;
  // Not by stat, after which Node 20 may load a module wrongly.
  if (failed.code !== 'ENOENT' && !attempt(() => accessSync(`${path}/.`))) return false;
  throw failed;
}

/** What it throws. */
function attempt(work: () => void): Errno | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return error as Errno;
  }
}
