/** Keeps API calls below Cloudflare's 1,200 in five minutes, and waits as long as the API asks for (F35, F36). */
import { type Clock, StunmeshError } from '@stunmesh/core/api';

/** 200 at once and 3 a second make at most 1,100 in any five minutes; the user's other programs get the rest. */
const BURST = 200;
const PER_SECOND = 3;
/** A call waits in line so long; beyond, it fails with the time at which to come back. */
const PATIENCE_MS = 5_000;
/** No answer makes us silent for longer than this. */
const LONGEST_PAUSE_MS = 5 * 60_000;

export interface Budget {
  /** Resolves when a call may be made. Errors: ERR_STORE_UNAVAILABLE with retryAfterMs; the signal's reason. */
  take(signal: AbortSignal): Promise<void>;
  /** No call for so long; resolves with what was made of it. */
  pause(ms: number): number;
}

export function createBudget(clock: Clock): Budget {
  let tokens = BURST;
  let filledAt = clock.now();
  let pausedUntil = Number.NEGATIVE_INFINITY;

  const refuse = (waitMs: number, why: string): never => {
    const retryAfterMs = Math.ceil(waitMs);
    const seconds = Math.ceil(waitMs / 1000);
    throw new StunmeshError('ERR_STORE_UNAVAILABLE', `${why}; the next call is due in ${seconds} s`, { retryAfterMs });
  };

  return {
    async take(signal) {
      signal.throwIfAborted();
      const now = clock.now();
      if (now < pausedUntil) refuse(pausedUntil - now, 'Cloudflare asked for a pause');
      tokens = Math.min(BURST, tokens + ((now - filledAt) / 1000) * PER_SECOND);
      filledAt = now;
      const waitMs = Math.max(0, ((1 - tokens) / PER_SECOND) * 1000);
      if (waitMs > PATIENCE_MS) refuse(waitMs, 'the API calls of these minutes are used up');
      // Below zero: whoever waits has its place in line, and the next one waits longer.
      tokens -= 1;
      if (waitMs === 0) return;
      try {
        await clock.sleep(waitMs, signal);
      } catch (error) {
        tokens += 1;
        throw error;
      }
    },
    pause(ms) {
      const bounded = Math.min(Math.max(0, ms), LONGEST_PAUSE_MS);
      pausedUntil = Math.max(pausedUntil, clock.now() + bounded);
      return bounded;
    },
  };
}
