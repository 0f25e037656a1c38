/** Files that run as root, and who else may write them (F75). */
import { stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { StunmeshError } from '../api/errors.js';
import { whoMayReplace } from '../runtime/own-folder.js';
import { foldersOf } from './folders.js';
import type { Config } from './types.js';

type Environment = Readonly<Record<string, string | undefined>>;

const OTHERS_WRITE = 0o002;

/** Who else may write the file, or put another one in its place, as a sentence. Nobody is asked but by root. */
async function whoMayWrite(path: string, mode: number, env: Environment): Promise<string | undefined> {
  if (process.geteuid?.() !== 0) return undefined;
  if ((mode & OTHERS_WRITE) !== 0) return 'everybody may write to it';
  // Whoever called sudo could as well have done it as root.
  const caller = /^\d+$/.test(env['SUDO_UID'] ?? '') ? [Number(env['SUDO_UID'])] : [];
  return whoMayReplace(path, caller);
}

/** Errors: ERR_CONFIG_WRITABLE: what the configuration names runs as root, so nobody else may write it. */
export async function refuseWritable(shownAs: string, path: string, mode: number, env: Environment): Promise<void> {
  const why = await whoMayWrite(path, mode, env);
  if (why === undefined) return;
  throw new StunmeshError(
    'ERR_CONFIG_WRITABLE',
    `${shownAs}: ${why}, and what it names runs as root; run: chmod go-w ${shownAs}, and keep it in a folder that only root can write, such as ${foldersOf().config[0]}`,
    { details: { file: path } },
  );
}

/** A sentence for each program or module of a plugin that others may write or replace. */
export async function writablePrograms({ plugins }: Pick<Config, 'plugins'>, env: Environment): Promise<string[]> {
  const found = [...plugins.values()].map(async ({ name, type, module = '', settings }): Promise<string[]> => {
    const path = type === 'builtin' ? module : String(settings['command']);
    if (!isAbsolute(path)) return [];
    const mode = await stat(path).then(
      (seen) => seen.mode,
      () => undefined,
    );
    const why = mode === undefined ? undefined : await whoMayWrite(path, mode, env);
    return why === undefined
      ? []
      : [
          `plugins.${name}: ${path}: ${why}, and it runs as root; run: chmod go-w ${path}, and keep it where only root can write`,
        ];
  });
  return (await Promise.all(found)).flat();
}
