/** What lets systemd's service write to the folder of the file store: a drop-in beside the unit, written where that can be done. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder } from '../api/index.js';
import { configFile } from '../config/folders.js';
import type { Plan } from './plan.js';

const UNIT_FOLDER = '/etc/systemd/system';

/** The lines of a drop-in that the plan needs; undefined: it needs none. */
export function dropInFor({ store: { kind, settings } }: Plan, platform: NodeJS.Platform): string | undefined {
  const { path } = settings;
  if (platform !== 'linux' || kind.name !== 'file' || typeof path !== 'string') return undefined;
  // In systemd's files a percent sign begins a specifier, and quotes hold white space together (systemd.syntax(7)).
  const escaped = path.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%');
  return `[Service]\nReadWritePaths="-${escaped}"\n`;
}

/** Writes it for the configuration that the service reads; the path of the file, or undefined where it could not be written. */
export async function writeDropIn(
  text: string,
  output: string,
  unitFolder: string = UNIT_FOLDER,
): Promise<string | undefined> {
  if (output !== configFile('linux') || !existsSync(unitFolder)) return undefined;
  const file = join(unitFolder, 'stunmesh.service.d/store.conf');
  try {
    await makeFolder(dirname(file), 0o755);
    await writeFile(file, text, { mode: 0o644 });
    return file;
  } catch {
    // Not root, or /etc is read-only: it is printed instead.
    return undefined;
  }
}
