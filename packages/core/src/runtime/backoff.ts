/** How long to wait before the next try: ever longer for what stays away, and never long against that time; pure. */

/** A try never comes later than this share of the time without success. */
const SHARE = 0.02;

/** Milliseconds between two tries after `withoutSuccessMs`, from `leastMs` to `mostMs`. */
export function patience(withoutSuccessMs: number, leastMs: number, mostMs: number): number {
  return Math.min(Math.max(leastMs, withoutSuccessMs * SHARE), mostMs);
}
