/** How long to wait before the next try; pure. */

/** A try never comes later than this share of the time without success. */
const SHARE = 0.02;

/** Milliseconds between two tries of what has stayed away for `withoutSuccessMs`: ever longer, and never long against that time. */
export function backoff(withoutSuccessMs: number, leastMs: number, mostMs: number): number {
  return Math.min(Math.max(leastMs, withoutSuccessMs * SHARE), mostMs);
}

export { doubling } from '../api/index.js';
