/** How often something may happen: `rate` a second on average, `burst` at once. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #at = Number.NEGATIVE_INFINITY;

  constructor(limit: { readonly perSecond: number; readonly burst: number }) {
    this.#perMs = limit.perSecond / 1_000;
    this.#burst = limit.burst;
    this.#tokens = limit.burst;
  }

  /** How many are left at `now`, milliseconds of a monotonic clock. */
  left(now: number): number {
    if (now > this.#at) {
      const passed = this.#at === Number.NEGATIVE_INFINITY ? 0 : now - this.#at;
      this.#tokens = Math.min(this.#burst, this.#tokens + passed * this.#perMs);
      this.#at = now;
    }
    return this.#tokens;
  }

  /** Takes one; false: none is left. */
  take(now: number): boolean {
    if (this.left(now) < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
