/** Files that run as root, and who else may write them (F75). */
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, isAbsolute } from 'node:path';
import { StunmeshError } from '../api/errors.js';
import { whoMayReplace } from '../runtime/own-folder.js';
import { foldersOf } from './folders.js';
import type { Config } from './types.js';

type Environment = Readonly<Record<string, string | undefined>>;

const OTHERS_WRITE = 0o002;
const GROUP_WRITES = 0o020;

type Rights = Pick<Stats, 'mode' | 'gid'>;

/** Who else may write the file, or put another one in its place, as a sentence. Nobody is asked but by root. */
async function whoMayWrite(path: string, found: Rights, env: Environment): Promise<string | undefined> {
  if (process.geteuid?.() !== 0) return undefined;
  if ((found.mode & OTHERS_WRITE) !== 0) return 'everybody may write to it';
  if (groupMayWrite(found, env)) return `group ${found.gid} may write to it`;
  // Whoever called sudo could as well have done it as root.
  const caller = /^\d+$/.test(env['SUDO_UID'] ?? '') ? [Number(env['SUDO_UID'])] : [];
  return whoMayReplace(path, caller);
}

/** A group that is neither root's nor ours, nor that of whoever called sudo: its members would become root. */
function groupMayWrite({ mode, gid }: Rights, env: Environment): boolean {
  return (mode & GROUP_WRITES) !== 0 && ![0, process.getegid?.(), Number(env['SUDO_GID'])].includes(gid);
}

/** Errors: ERR_CONFIG_WRITABLE: what the configuration names runs as root, so nobody else may write it. */
export async function refuseWritable(shownAs: string, path: string, found: Rights, env: Environment): Promise<void> {
  const why = (await whoMayWrite(path, found, env)) ?? (await groupOfFolder(dirname(path), env));
  if (why === undefined) return;
  throw new StunmeshError(
    'ERR_CONFIG_WRITABLE',
    `${shownAs}: ${why}, and what it names runs as root; run: chmod go-w ${shownAs}, and keep it in a folder that only root can write, such as ${foldersOf().config[0]}`,
    { details: { file: path } },
  );
}

/** In a folder of a group its members may put another file in place of this one. */
async function groupOfFolder(folder: string, env: Environment): Promise<string | undefined> {
  if (process.geteuid?.() !== 0) return undefined;
  const found = await stat(folder).catch(() => undefined);
  return found && groupMayWrite(found, env) ? `group ${found.gid} may change what is in ${folder}` : undefined;
}

/** A sentence for each program or module of a plugin that others may write or replace. */
export async function writablePrograms({ plugins }: Pick<Config, 'plugins'>, env: Environment): Promise<string[]> {
  const found = [...plugins.values()].map(async ({ name, type, module = '', settings }): Promise<string[]> => {
    const path = type === 'builtin' ? module : String(settings['command']);
    if (!isAbsolute(path)) return [];
    const found = await stat(path).catch(() => undefined);
    const why = found && (await whoMayWrite(path, found, env));
    return why === undefined
      ? []
      : [
          `plugins.${name}: ${path}: ${why}, and it runs as root; run: chmod go-w ${path}, and keep it where only root can write`,
        ];
  });
  return (await Promise.all(found)).flat();
}
