/** Opens our NAT towards endpoints: one datagram from WireGuard's port to each (F18). */
import type { Endpoint, Family } from '../../api/index.js';
import { formatEndpoint } from '../../net/index.js';
import type { PeerEntry } from '../../peers/peer-table.js';
import { createSemaphore } from '../../runtime/semaphore.js';
import { inSlices } from '../../runtime/slices.js';
import type { DeviceComponents } from '../device-components.js';

/** Not STUN and not WireGuard, so that the peer's WireGuard drops it. */
const PUNCH = Uint8Array.of(0);
const STEP_MS = 5_000;
/** Sockets under way at once. */
const MOST_AT_ONCE = 8;

export interface Punch {
  /** As many of a peer's endpoints as its budget allows, the first ones first (F77). Never rejects. */
  punchPeer(peer: PeerEntry, endpoints: readonly Endpoint[]): Promise<void>;
  /** The same for several peers at once. */
  punchAll(targets: readonly (readonly [PeerEntry, readonly Endpoint[]])[]): Promise<void>;
}

export type PunchComponents = Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'agent' | 'signal'>;

export function createPunch({ device, clock, logger, agent, signal }: PunchComponents): Punch {
  const gate = createSemaphore(MOST_AT_ONCE);
  /** A punch that fails is one that was lost: the next attempt comes anyway. */
  const note = (error: unknown, to: string): void => {
    if (!signal.aborted) logger.debug({ device: device.name, to, error }, 'could not send a packet');
  };

  const punchFamily = async (family: Family, targets: readonly Endpoint[]): Promise<void> => {
    if (!device.facts || device.facts.listenPort === 0) return;
    try {
      using deadline = clock.deadline(STEP_MS, signal);
      await using socket = await agent.acquireForSending(family, deadline.signal);
      await inSlices(targets, clock, (target) =>
        socket.send(PUNCH, target).catch((error) => note(error, formatEndpoint(target))),
      );
    } catch (error) {
      note(error, `IPv${family}`);
    }
  };

  const punchAll: Punch['punchAll'] = async (targets) => {
    const now = clock.now();
    const allowed = targets.flatMap(([peer, endpoints]) =>
      endpoints.slice(0, peer.budget.take('punch', now, endpoints.length)),
    );
    for (const family of [4, 6] as const) {
      const ofFamily = allowed.filter((endpoint) => endpoint.family === family);
      if (ofFamily.length > 0) await gate.run(() => punchFamily(family, ofFamily));
    }
  };

  return { punchAll, punchPeer: (peer, endpoints) => punchAll([[peer, endpoints]]) };
}
