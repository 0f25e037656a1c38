/** Waiting with a deadline instead of sleeping. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface WaitOptions {
  /** Default 30 s: a safety net, for a machine under load. */
  readonly deadlineMs?: number;
  /** Default 20 ms. */
  readonly pollMs?: number;
  /** What is waited for, in words, for the error. */
  readonly what?: string;
}

/** Polls until `look` gives something that is not undefined or false; rejects with the last thing seen after the deadline. */
export async function until<T>(
  look: () => T | undefined | false | Promise<T | undefined | false>,
  options: WaitOptions = {},
): Promise<T> {
  const { deadlineMs = 30_000, pollMs = 20, what = 'a condition' } = options;
  const end = performance.now() + deadlineMs;
  let failure: unknown;
  for (;;) {
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    if (performance.now() >= end) {
      const why = failure === undefined ? '' : `: ${failure instanceof Error ? failure.message : String(failure)}`;
      throw new Error(`waited ${deadlineMs} ms for ${what}${why}`);
    }
    await sleep(pollMs);
  }
}

export { sleep };
