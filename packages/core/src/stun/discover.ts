/** Finds the reflexive address of WireGuard's port, by a socket beside WireGuard's (F1, F2, F7, F19). */
import type { Agent } from './agent.js';
import { type Discovery, type DiscoverySettings, raceServers } from './race.js';

export type { Discovery } from './race.js';

const DEFAULT_TIMEOUT_MS = 5000;

export interface DiscoverOptions extends DiscoverySettings {
  readonly agent: Agent;
  /** For the whole discovery. Default: 5000. */
  readonly timeoutMs?: number;
}

/** One discovery. Errors: ERR_STUN_NO_SERVER, ERR_STUN_NO_RESPONSE, ERR_STUN_REFUSED, ERR_STUN_BLOCKED, ERR_STUN_NO_ROUTE (each with every
 * server's reason), those of the agent's socket, ERR_CAPTURE_LOST, or the signal's reason. The socket is given back when the
 * other servers have been heard, too. */
export async function discover(o: DiscoverOptions): Promise<Discovery> {
  using limit = o.clock.deadline(o.timeoutMs ?? DEFAULT_TIMEOUT_MS, o.signal);
  const socket = await o.agent.acquire(o.family, limit.signal);
  return await raceServers({ ...o, socket, limit: limit.signal }, () => void socket[Symbol.asyncDispose]());
}
