/** How the watch of a store does: whether peers' records have to be polled there. */

/** unproven: it stands, and nothing was heard of it yet. told: our own heartbeat was heard, so changes are. incomplete: only changes made
 * on this machine are. silent: the heartbeat was not heard. failed: it could not be opened, was lost, or no heartbeat could be written. */
export type WatchState = 'unproven' | 'told' | 'incomplete' | 'silent' | 'failed';

export interface WatchView {
  readonly state: WatchState;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** In some words; of incomplete and failed. */
  readonly why?: string;
  /** Peers whose records changed here without a word, so that they are polled all the same. */
  readonly unannounced: number;
}
