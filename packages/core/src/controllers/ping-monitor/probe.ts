/** Finds out whether a silent peer is dead: three small packets, then a wait for any sign of life (F29). */

import type { PeerEntry } from '../../peers/peer-table.js';
import type { DeviceComponents } from '../device-components.js';
import type { HandshakeTrigger } from '../establish/handshake-trigger.js';

const PACKETS = 3;
const PACKET_GAP_MS = 250;
/** After an overdue ping, which was the first: two more, 200 ms apart, and a short wait (F29). */
const CONFIRM_PACKETS = 2;
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
  probe(peer: PeerEntry, overdue?: boolean): Promise<void>;
  stop(): Promise<void>;
}

export interface ProbeComponents extends Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'signal'> {
  /** Brings the table up to date from a fresh dump. */
  read(): Promise<boolean>;
  readonly handshake: HandshakeTrigger;
  /** The peer gave no sign of life. */
  failed(peer: PeerEntry): void;
}

export function createProbe(components: ProbeComponents): Probe {
  const { device, clock, logger, signal, read, handshake, failed } = components;
  const running = new Map<PeerEntry, Promise<void>>();

  const run = async (peer: PeerEntry, overdue: boolean): Promise<void> => {
    // A baseline first, so that life from before the probe does not count for it.
    if (!(await read()) || !isProbed(peer)) return;
    const startedAt = clock.now();
    const lives = (): boolean => (peer.life.lastLifeAt ?? -1) > startedAt;
    peer.probes += 1;
    const confirm = overdue && peer.answersEcho;
    for (let n = 0; n < (confirm ? CONFIRM_PACKETS : PACKETS) && !lives(); n += 1) {
      await handshake.trigger(peer);
      await clock.sleep(confirm ? CONFIRM_GAP_MS : PACKET_GAP_MS, signal);
    }
    const verdictAt =
      startedAt + (confirm ? CONFIRM_VERDICT_MS : peer.answersEcho ? ECHO_VERDICT_MS : KEEPALIVE_VERDICT_MS);
    while (!lives() && clock.now() < verdictAt) {
      await clock.sleep(Math.min(LOOK_MS, verdictAt - clock.now()), signal);
      if (!(await read())) return;
    }
    if (!lives() && isProbed(peer)) failed(peer);
  };

  return {
    probe(peer, overdue = false) {
      const known = running.get(peer);
      if (known || !isProbed(peer)) return known ?? Promise.resolve();
      // Where it was probed often enough the next silence, or the next overdue ping, finds out (F77).
      if (peer.budget.take(overdue ? 'confirm' : 'probe', clock.now()) === 0) return Promise.resolve();
      const job = run(peer, overdue)
        .catch((error) => {
          if (!signal.aborted) logger.debug({ device: device.name, peer: peer.name, error }, 'probe broken off');
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
  return peer.observed !== undefined && (peer.phase === 'connected' || peer.phase === 'idle');
}
