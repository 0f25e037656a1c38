/** Ends a child's whole process group, and those of all children when this process exits. */
import type { Clock } from '@stunmesh/core/api';
import { atExit } from './exit-hook.js';

/** From SIGTERM to SIGKILL, in milliseconds. */
const KILL_MS = 100;
const LOOK_MS = 10;

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

/** The group that `pid` leads is killed if this process exits before the returned function is called: once nothing of the
 * group is left, as its number may then soon be somebody else's. */
export function ownGroup(pid: number): () => void {
  return atExit(() => send(pid, 'SIGKILL'));
}

/** SIGTERM to the group, and SIGKILL to what is left of it 100 ms later. Resolves when that is done. */
export async function endGroup(pid: number, clock: Clock): Promise<void> {
  if (send(pid, 'SIGTERM')) {
    const end = clock.now() + KILL_MS;
    while (send(pid, 0) && clock.now() < end) await clock.sleep(LOOK_MS);
    send(pid, 'SIGKILL');
  }
}
