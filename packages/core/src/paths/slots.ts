/** Moments of the wall clock that both hosts of a pair know without a word: there they start anew together. Milliseconds since 1970. */

/** The first slot at or after `wall`: multiples of the period minus the pair's seed. */
export function slotFrom(wall: number, seed: number, periodSeconds: number): number {
  const period = periodSeconds * 1_000;
  const offset = (seed % periodSeconds) * 1_000;
  return Math.ceil((wall + offset) / period) * period - offset;
}
