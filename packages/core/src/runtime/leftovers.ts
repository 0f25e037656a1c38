/** Removes what killed processes left beside a file of ours: the temporary names from which such files get theirs (F79). */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { removeFile } from './remove-file.js';

/** PATH.PID and PATH.PID.WORD, where no such process runs. Never rejects: what stays harms nobody. */
export async function removeLeftovers(path: string): Promise<void> {
  const name = `${basename(path)}.`;
  const names = await readdir(dirname(path)).catch(() => []);
  const left = names.filter((entry) => {
    const pid = entry.startsWith(name) ? /^(\d+)(\.[a-z]+)?$/.exec(entry.slice(name.length))?.[1] : undefined;
    return pid !== undefined && !isRunning(Number(pid));
  });
  await Promise.all(left.map((entry) => removeFile(join(dirname(path), entry)).catch(() => undefined)));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
