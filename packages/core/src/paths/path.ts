/** One way to a peer: an address of it, and what our checks to it have shown. Times are milliseconds of a monotonic clock. */
import type { Endpoint } from '../api/index.js';
import type { CandidateType } from './check-message.js';

/** Where a peer may be reached. */
export interface RemoteCandidate {
  readonly endpoint: Endpoint;
  readonly type: CandidateType;
  /** On a link of ours, or inside a prefix that the configuration lists: no NAT stands between. */
  readonly lan: boolean;
  /** What nobody asked for reaches the peer there: no NAT, or one that forwards; so a packet can spoil nothing (F43). */
  readonly open?: boolean;
}

/** waiting: not asked yet; checking: asked, no answer yet; valid: it answered within the last half minute; failed: it did not. */
export type PathState = 'waiting' | 'checking' | 'valid' | 'failed';

export interface Path extends RemoteCandidate {
  readonly state: PathState;
  readonly lastTriedAt?: number;
  /** When the last answer to our own request came from it (F46). */
  readonly lastValidAt?: number;
  /** Smoothed as RFC 6298 does it. */
  readonly rttMs?: number;
  /** When the peer's own request last came from it. */
  readonly lastHeardAt?: number;
}

/** A path that has not answered for so long is not valid any more; the shortest-lived entries of routers last as long. */
export const VALID_MS = 30_000;
/** While connected, paths are asked once a minute. */
export const CONNECTED_VALID_MS = 70_000;
