/** Which process a number means, and whether it still runs. */
import { readFile } from 'node:fs/promises';

export interface ProcessIdentity {
  readonly pid: number;
  /** Tells this process from a later one with the same number; empty where the system does not show it. */
  readonly born: string;
}

/** By proc(5): of field 3, a zombie has ended and waits to be reaped, in a container without an init for ever. */
const ENDED = /^[ZXx]$/;

export async function identify(pid: number): Promise<ProcessIdentity> {
  return { pid, born: (await look(pid))?.born ?? '' };
}

export async function isAlive({ pid, born }: ProcessIdentity): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs as somebody else. All other answers are to numbers that no process can have.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const now = await look(pid);
  return now === undefined ? born === '' : !now.ended && now.born === born;
}

/** Undefined where there is no /proc, or the process is gone. */
async function look(pid: number): Promise<{ readonly born: string; readonly ended: boolean } | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    // Behind the name, which may hold anything: state is field 3, start time field 22.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { born: fields[19] ?? '', ended: ENDED.test(fields[0] ?? '') };
  } catch {
    return undefined;
  }
}
