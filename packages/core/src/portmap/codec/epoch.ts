/** Whether a router forgot its mappings between two of its answers: its epoch fell, or ran at another pace than our clock (RFC 6887 section 8.5, RFC 6886 section 3.6); pure. */

/** An epoch as a router told it. */
export interface Epoch {
  readonly seconds: number;
  /** When it was heard; monotonic milliseconds. */
  readonly at: number;
}

/** Answers may be late, and clocks of routers slow. */
const TOLERANCE_SECONDS = 2;
const DRIFT = 1 / 16;

export function epochBroke(before: Epoch, now: Epoch): boolean {
  if (now.seconds + 1 < before.seconds) return true;
  const ours = (now.at - before.at) / 1000;
  const theirs = now.seconds - before.seconds;
  return ours + TOLERANCE_SECONDS < theirs * (1 - DRIFT) || theirs + TOLERANCE_SECONDS < ours * (1 - DRIFT);
}
