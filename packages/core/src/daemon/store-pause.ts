/** How long a store that is down may be left alone at a time, by what its peers need of it; pure. */

import { type DeviceEntry, isUnsettled } from '../peers/peer-table.js';
import { patience } from '../runtime/backoff.js';

/** While a peer is not connected: about as often as this one peer would be read, however many others there are (F23). */
const UNSETTLED_MS = 2_000;
const MOST_UNSETTLED_MS = 15_000;
const SETTLED_MS = 5 * 60_000;

/** Milliseconds; `now` is monotonic. */
export function storePauseMs(o: {
  readonly devices: Iterable<DeviceEntry>;
  readonly store: string;
  readonly refreshIntervalMs: number;
  readonly now: number;
}): number {
  const peers = [...o.devices].flatMap((device) => device.peers);
  const lacking = peers.filter((peer) => peer.config.plugins.includes(o.store) && isUnsettled(peer));
  if (lacking.length === 0) return Math.min(SETTLED_MS, o.refreshIntervalMs);
  const youngest = Math.max(...lacking.map((peer) => peer.unconnectedSince));
  return patience(o.now - youngest, UNSETTLED_MS, MOST_UNSETTLED_MS);
}
