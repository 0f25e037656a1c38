/** Names that wg-quick gives to devices on macOS, where the kernel calls them all utunN: NAME.name holds "utunN". */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { deviceMissing } from './errors.js';

const SUFFIX = '.name';

/** wg-quick's own margin. A socket that is younger by more than this belongs to another device that took the number later. */
const MARGIN_MS = 2_000;

/** The kernel's name of a device; the given one where no file maps it. Errors: ERR_WG_DEVICE_NOT_FOUND, where the file has outlived its device. */
export async function readRealName(dir: string, name: string): Promise<string> {
  const file = join(dir, `${name}${SUFFIX}`);
  let real: string;
  try {
    real = (await readFile(file, 'utf8')).trim();
  } catch {
    return name;
  }
  if (real === '' || real.includes('/')) return real || name;
  if (await isOutlived(file, join(dir, `${real}.sock`)))
    throw deviceMissing(name, `${file} is older than the socket of ${real}, which another device has now`);
  return real;
}

async function isOutlived(file: string, socket: string): Promise<boolean> {
  try {
    const [named, bound] = await Promise.all([stat(file), stat(socket)]);
    return bound.mtimeMs - named.mtimeMs >= MARGIN_MS;
  } catch {
    // Without a socket there is nothing to mistake it for.
    return false;
  }
}

/** The names that were given, by the kernel's; empty where there is no such file. */
export async function readGivenNames(dir: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(dir).catch(() => []);
  const names = entries.filter((entry) => entry.endsWith(SUFFIX)).map((entry) => entry.slice(0, -SUFFIX.length));
  const pairs = names.map(async (name): Promise<[string, string] | undefined> => {
    const real = await readRealName(dir, name).catch(() => undefined);
    return real === undefined ? undefined : [real, name];
  });
  return new Map((await Promise.all(pairs)).flatMap((pair) => (pair ? [pair] : [])));
}
