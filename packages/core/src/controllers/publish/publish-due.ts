/** When a record of ours has to be written (again): at once where it is wrong or missing, else before its store forgets it (F11, F12). */
import { sameEndpoint } from '../../net/index.js';
import { type DeviceEntry, isUnsettled, type PeerEntry } from '../../peers/peer-table.js';
import type { Controllers } from '../device-components.js';
import { natCode } from '../refresh/nat-schedule.js';

/** An unchanged record is written anew at this beat even where stores keep it for ever (F12): somebody may have removed it. */
const REWRITE_MS = 3_600_000;

/** Monotonic milliseconds for this peer's record in this store; infinite while there is nothing to say. */
export function dueAt(c: Controllers, device: DeviceEntry, peer: PeerEntry, storeName: string): number {
  if (!device.facts || device.mappings.size === 0 || !peer.channel || !peer.wg || peer.publishing.has(storeName))
    return Number.POSITIVE_INFINITY;
  const retry = peer.publishRetry.get(storeName);
  if (retry?.untried) {
    // The store's own pause, as it stands now: it may have ended long before the one that was met.
    const health = c.stores.get(storeName)?.health;
    return health?.state === 'down' ? c.clock.now() + Math.max(0, (health.retryAt ?? 0) - c.clock.wallNow()) : 0;
  }
  if (retry) return retry.at;
  const last = peer.published.get(storeName);
  if (!last) return 0;
  const same =
    sameEndpoint(last.ipv4, device.mappings.get(4)?.endpoint) &&
    sameEndpoint(last.ipv6, device.mappings.get(6)?.endpoint) &&
    // Who is connected learns of our NAT by the next record that is written anyway.
    (!isUnsettled(peer) || [undefined, last.b].includes(natCode(device)));
  // A mapping that is another one at every look is written as often as the budget allows (F77).
  if (!same) return peer.budget.nextAt('publish', c.clock.now());
  const expiresAfterMs = c.stores.get(storeName)?.traits.expiresAfterMs;
  const rewriteMs = expiresAfterMs === undefined ? REWRITE_MS : Math.min(expiresAfterMs / 3, REWRITE_MS);
  return last.at + rewriteMs;
}
