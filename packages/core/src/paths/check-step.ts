/** What the state machine of a peer's checks needs, and what it asks for. */
import type { Endpoint, Family } from '../api/index.js';
import type { PeerCheckBudget } from './check-budget.js';
import type { CandidateType } from './check-message.js';
import type { NominationRules } from './nomination.js';

export interface PeerCheckOptions extends NominationRules {
  /** PairKeys.searchSeed. */
  readonly seed: number;
  readonly budget: PeerCheckBudget;
  /** 12 bytes: the prefix of the family's socket, then random ones. */
  createId(family: Family): Uint8Array;
  /** F47, for addresses that requests come from. */
  isLan(endpoint: Endpoint): boolean;
  /** The TTL with which a packet opens our outermost NAT and dies behind it. */
  lowTtl(family: Family): number;
}

/** One check to be sent. */
export interface CheckSend {
  readonly endpoint: Endpoint;
  readonly transactionId: Uint8Array;
  readonly type: CandidateType;
  readonly nominated: boolean;
  readonly betterPath: boolean;
  /** Absent: full, the system's own. */
  readonly ttl?: number;
}

/** To be done in this order. */
export interface CheckStep {
  readonly sends: readonly CheckSend[];
  /** Our record is to be written again, with acknowledgement(), the same `t` and a higher `n`, after the sends. */
  readonly write: boolean;
  /** The endpoint that the device should have now, PARKED while `parked`; absent: leave it alone. */
  readonly use?: Endpoint;
  readonly parked: boolean;
  /** When to call next() again though nothing happens, by the monotonic clock. */
  readonly wakeAt: number;
}
