/** Which of several valid paths is used: class before speed, and seldom another one (F48). */
import type { Family } from '../api/index.js';
import { sameEndpoint } from '../net/index.js';
import type { Path, RemoteCandidate } from './path.js';

/** 0: LAN, 1: the preferred family, 2: the other one. */
export type PathClass = 0 | 1 | 2;

const FASTER_SHARE = 0.2;
const FASTER_MS = 5;
/** A live session moves only to a path that answered so lately. */
export const FRESH_MS = 5_000;
/** A live session moves at most so often. */
export const SWITCH_PAUSE_MS = 60_000;

export function classOf(path: Pick<RemoteCandidate, 'lan' | 'endpoint'>, preferred: Family): PathClass {
  if (path.lan) return 0;
  return path.endpoint.family === preferred ? 1 : 2;
}

/** Whether `a` is to be used rather than `b`, on which traffic may already flow. */
export function isBetter(a: Path, b: Path, preferred: Family): boolean {
  const [classA, classB] = [classOf(a, preferred), classOf(b, preferred)];
  if (classA !== classB) return classA < classB;
  if (a.rttMs === undefined || b.rttMs === undefined) return false;
  return b.rttMs - a.rttMs >= FASTER_MS && a.rttMs <= b.rttMs * (1 - FASTER_SHARE);
}

/** The best of the valid paths; of equal ones the first to have come, or the present one. */
export function choose(paths: readonly Path[], preferred: Family, present?: Path): Path | undefined {
  const valid = paths.filter(({ state }) => state === 'valid');
  const first = present ?? valid[0];
  return first && valid.reduce((best, path) => (isBetter(path, best, preferred) ? path : best), first);
}

/** The path that a live session on `present` should move to; undefined: stay. `lastSwitchAt` in milliseconds, as `now`. */
export function betterPath(
  paths: readonly Path[],
  preferred: Family,
  present: Path,
  at: { readonly now: number; readonly lastSwitchAt: number | undefined },
): Path | undefined {
  if (at.lastSwitchAt !== undefined && at.now - at.lastSwitchAt < SWITCH_PAUSE_MS) return undefined;
  const fresh = paths.filter(
    ({ state, lastValidAt }) => state === 'valid' && lastValidAt !== undefined && at.now - lastValidAt <= FRESH_MS,
  );
  const best = choose(fresh, preferred, present);
  return best && !sameEndpoint(best.endpoint, present.endpoint) ? best : undefined;
}
