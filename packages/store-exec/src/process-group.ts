/** Ends a child's whole process group, and those of all children when this process exits. */
import type { Clock } from '@stunmesh/core/api';

/** From SIGTERM to SIGKILL, in milliseconds. */
const KILL_MS = 100;
const LOOK_MS = 10;

const groups = new Set<number>();

const killAll = (): void => {
  for (const pid of groups) send(pid, 'SIGKILL');
};

/** Sends to the group; false when nobody is left in it. */
function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch (error) {
    // EPERM: somebody is there who is not ours to signal (set-user-id programs).
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The group that `pid` leads is killed if this process exits before endGroup. */
export function ownGroup(pid: number): void {
  if (groups.size === 0) process.on('exit', killAll);
  groups.add(pid);
}

/** SIGTERM to the group, and SIGKILL to what is left of it 100 ms later. Resolves when that is done. */
export async function endGroup(pid: number, clock: Clock): Promise<void> {
  if (send(pid, 'SIGTERM')) {
    const end = clock.now() + KILL_MS;
    while (send(pid, 0) && clock.now() < end) await clock.sleep(LOOK_MS);
    send(pid, 'SIGKILL');
  }
}

/** Nothing of the group is left: its number may soon be somebody else's. */
export function disownGroup(pid: number): void {
  groups.delete(pid);
  if (groups.size === 0) process.off('exit', killAll);
}
