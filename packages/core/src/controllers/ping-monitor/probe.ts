/** Finds out whether a silent peer is dead: three kicks, then a wait for any sign of life (F29). */

import type { DeviceEntry, PeerEntry } from '../../peers/peer-table.js';
import type { Controllers } from '../device-components.js';

const KICKS = 3;
const KICK_GAP_MS = 250;
/** After an overdue ping, which was the first: two more, 200 ms apart, and a short wait (F29). */
const CONFIRM_KICKS = 2;
const CONFIRM_GAP_MS = 200;
const CONFIRM_VERDICT_MS = 600;
/** A peer that ever answered an echo answers the next one within this. */
const ECHO_VERDICT_MS = 1_000;
/** A living WireGuard answers any data packet by a passive keepalive within 10 s (KEEPALIVE_TIMEOUT, WireGuard paper section 6.5). */
const KEEPALIVE_VERDICT_MS = 11_000;
/** How often the device is read while waiting for a passive keepalive. */
const LOOK_MS = 1_000;

export interface Probe {
  /** Probes the peer, or leaves it to the probe under way. Afterwards `failed` was called where it is dead. Never rejects.
   * `overdue`: a ping has been waited for already, so that a shorter probe confirms it. */
  probe(device: DeviceEntry, peer: PeerEntry, overdue?: boolean): Promise<void>;
  stop(): Promise<void>;
}

export interface ProbeParts {
  read(device: DeviceEntry): Promise<boolean>;
  kick(device: DeviceEntry, peer: PeerEntry): Promise<void>;
  /** The peer gave no sign of life. */
  failed(device: DeviceEntry, peer: PeerEntry): void;
}

export function createProbe(c: Controllers, parts: ProbeParts): Probe {
  const running = new Map<PeerEntry, Promise<void>>();

  const run = async (device: DeviceEntry, peer: PeerEntry, overdue: boolean): Promise<void> => {
    // A baseline first, so that life from before the probe does not count for it.
    if (!(await parts.read(device)) || !isProbed(peer)) return;
    const startedAt = c.clock.now();
    const lives = (): boolean => (peer.life.lastLifeAt ?? -1) > startedAt;
    peer.probes += 1;
    const confirm = overdue && peer.answersEcho;
    for (let n = 0; n < (confirm ? CONFIRM_KICKS : KICKS) && !lives(); n += 1) {
      await parts.kick(device, peer);
      await c.clock.sleep(confirm ? CONFIRM_GAP_MS : KICK_GAP_MS, c.signal);
    }
    const verdictAt =
      startedAt + (confirm ? CONFIRM_VERDICT_MS : peer.answersEcho ? ECHO_VERDICT_MS : KEEPALIVE_VERDICT_MS);
    while (!lives() && c.clock.now() < verdictAt) {
      await c.clock.sleep(Math.min(LOOK_MS, verdictAt - c.clock.now()), c.signal);
      if (!(await parts.read(device))) return;
    }
    if (!lives() && isProbed(peer)) parts.failed(device, peer);
  };

  return {
    probe(device, peer, overdue = false) {
      const known = running.get(peer);
      if (known || !isProbed(peer)) return known ?? Promise.resolve();
      // Where it was probed often enough the next silence, or the next overdue ping, finds out (F77).
      if (peer.budget.take(overdue ? 'confirm' : 'probe', c.clock.now()) === 0) return Promise.resolve();
      const job = run(device, peer, overdue)
        .catch((error) => {
          if (!c.signal.aborted) c.logger.debug({ device: device.name, peer: peer.name, error }, 'probe broken off');
        })
        .finally(() => running.delete(peer));
      running.set(peer, job);
      return job;
    },
    async stop() {
      await Promise.all(running.values());
    },
  };
}

function isProbed(peer: PeerEntry): boolean {
  return peer.wg !== undefined && (peer.phase === 'connected' || peer.phase === 'idle');
}
