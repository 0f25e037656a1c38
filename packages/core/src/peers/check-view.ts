/** What `status` sees of connectivity checks. */
import type { Path } from '../paths/path.js';
import type { RefusedCandidate } from '../paths/remote-candidates.js';

/** Of one peer. */
export interface CheckView {
  /** By its record, or by a check of its own. */
  readonly knowsChecks: boolean;
  /** `now`: monotonic milliseconds. */
  paths(now: number): readonly Path[];
  /** Addresses of its record that are not tried, and why (F19, F47). */
  readonly refused: readonly RefusedCandidate[];
}

/** Of one device since the start, in numbers. */
export interface CheckCounts {
  /** Requests of ours, and the answers that made a path valid. */
  sent: number;
  valid: number;
  /** Requests that came in; of these the answered ones, and those that nothing follows from (forged, replayed, stale). */
  received: number;
  answered: number;
  refused: number;
  /** Packets of searches for a way through a hard NAT. */
  searched: number;
}

export function createCheckCounts(): CheckCounts {
  return { sent: 0, valid: 0, received: 0, answered: 0, refused: 0, searched: 0 };
}
