/** How long to wait before the next try, for core and for modules; pure. */

/** Milliseconds after the n-th failure in a row (1 is the first): twice as long each time. `jitter`: a share by which it is made
 * longer (or shorter, where negative) at most, so that many who failed together do not come back together; `random` from 0 to 1. */
export function doubling(
  failures: number,
  firstMs: number,
  mostMs: number,
  { jitter = 0, random = 0 }: { readonly jitter?: number; readonly random?: number } = {},
): number {
  return Math.min(firstMs * 2 ** Math.max(0, failures - 1), mostMs) * (1 + jitter * random);
}
