/** Finds every daemon that serves a device, also one with a run_dir of its own. */
import { join } from 'node:path';
import { hasCode } from '../api/index.js';
import { socketsOfDevice } from '../control/bound-sockets.js';
import { ANSWER_MS, attempt, type DaemonSeen, type DoctorParts } from './context.js';

export async function findDaemons(
  parts: Pick<DoctorParts, 'system' | 'clock' | 'signal' | 'readSnapshot'>,
  runDir: string | undefined,
  device: string,
): Promise<readonly DaemonSeen[]> {
  const name = `${device}.sock`;
  const bound = socketsOfDevice(await parts.system.unixSockets(), device);
  const paths = [...new Set([...(runDir === undefined ? [] : [join(runDir, name)]), ...bound])];
  const seen = await Promise.all(
    paths.map(async (path): Promise<DaemonSeen | undefined> => {
      using limit = parts.clock.deadline(ANSWER_MS, parts.signal);
      const { value: snapshot, error } = await attempt(parts.readSnapshot(path, limit.signal));
      if (snapshot) {
        const found = snapshot.devices.find((candidate) => candidate.name === device);
        return { path, snapshot, ...(found ? { device: found } : {}) };
      }
      // A socket that is not there is no daemon.
      if (!hasCode(error, 'ERR_CONTROL_NOT_RUNNING')) return { path, error };
      return bound.includes(path) ? { path, hidden: true } : undefined;
    }),
  );
  // One daemon can be reached by two names of its folder.
  const pids = new Set<number>();
  return seen.filter((daemon): daemon is DaemonSeen => {
    if (!daemon) return false;
    if (!daemon.snapshot) return true;
    const fresh = !pids.has(daemon.snapshot.pid);
    pids.add(daemon.snapshot.pid);
    return fresh;
  });
}
