/** A series of attempts to connect a peer: what starts it anew starts all of it anew. Times are monotonic milliseconds. */
import { DWELL_MS, SESSION_DWELL_MS } from '../paths/check-list.js';
import { backoff } from '../runtime/backoff.js';

/** F18b: at most so many renewals for one record, at 0, 1 and 2 s. */
export const MOST_RENEWALS = 3;
const QUICK_ATTEMPTS = 3;
const QUICK_GAP_MS = 1_000;
/** Each side stays with a candidate a little longer or shorter, or two might miss each other for ever. */
const DWELL_SPREAD = 0.2;
/** WireGuard itself begins a handshake at most every five seconds. */
export const ATTEMPT_GAP_MS = 5_000;
const MOST_GAP_MS = 30_000;

export interface AttemptSeries {
  readonly startedAt: number;
  /** How long it stays with one candidate. */
  readonly dwellMs: number;
  /** Attempts left of those that come quickly. */
  quickLeft: number;
  renewalsLeft: number;
  /** When the next attempt is due. */
  nextAt: number;
}

/** `random`: from 0 to 1; where a session is alive an answer comes without a handshake, so that each candidate needs less time. */
export function startSeries(o: {
  readonly now: number;
  readonly renewalsLeft: number;
  readonly session?: boolean;
  readonly random?: number;
}): AttemptSeries {
  const spread = 1 + DWELL_SPREAD * (2 * (o.random ?? 0.5) - 1);
  return {
    startedAt: o.now,
    dwellMs: (o.session === true ? SESSION_DWELL_MS : DWELL_MS) * spread,
    quickLeft: QUICK_ATTEMPTS,
    renewalsLeft: o.renewalsLeft,
    nextAt: o.now,
  };
}

/** An attempt begins: sets when the next one is due, and returns the gap that a peer unconnected for so long has between attempts. */
export function countAttempt(series: AttemptSeries, now: number, unconnectedMs: number): number {
  const gapMs = backoff(unconnectedMs, ATTEMPT_GAP_MS, MOST_GAP_MS);
  const quick = series.quickLeft > 0;
  if (quick) series.quickLeft -= 1;
  series.nextAt = now + (quick && series.quickLeft > 0 ? QUICK_GAP_MS : gapMs);
  return gapMs;
}

/** When the next candidate has its turn. */
export function turnEndsAt({ startedAt, dwellMs }: AttemptSeries, now: number): number {
  return startedAt + dwellMs * (Math.floor((now - startedAt) / dwellMs) + 1);
}
