/** Growing pauses between tries, scattered so that many hosts do not come back at the same moment; pure. */

export interface BackoffOptions {
  readonly firstMs: number;
  /** Each pause is this many times the one before; 1: all alike. */
  readonly factor: number;
  /** No pause is longer. */
  readonly mostMs: number;
  /** How much of a pause chance may take away: 0 nothing, 0.2 up to a fifth. */
  readonly jitter: number;
  /** A number in [0, 1). */
  random(): number;
}

export interface Backoff {
  /** Milliseconds to pause before the next try. */
  next(): number;
  /** Begins again with firstMs. */
  reset(): void;
}

export function createBackoff(o: BackoffOptions): Backoff {
  let fullMs = Math.min(o.firstMs, o.mostMs);
  return {
    next() {
      const ms = fullMs * (1 - o.jitter * o.random());
      fullMs = Math.min(fullMs * o.factor, o.mostMs);
      return ms;
    },
    reset() {
      fullMs = Math.min(o.firstMs, o.mostMs);
    },
  };
}
