/** Moves a live session to a better path: WireGuard answers to where the last packet came from, so a write alone may be undone (F48). */
import type { Endpoint } from '../../api/index.js';
import { formatEndpoint, sameEndpoint } from '../../net/index.js';
import type { PeerEntry } from '../../peers/peer-table.js';
import type { DeviceComponents } from '../device-components.js';

const STEP_MS = 5_000;
/** After so long a reading shows whether the write stands. */
const LOOK_MS = 1_000;
/** So long nothing may arrive from the old endpoint, or twice a round trip. */
const MUFFLE_MS = 170;
const MOST_MUFFLE_MS = 1_000;
/** So many seconds are looked at for one without traffic. */
const QUIET_LOOKS = 20;

export interface Switching {
  /** Never rejects; a peer that is being moved is left to that. */
  move(peer: PeerEntry, to: Endpoint, rttMs?: number): Promise<void>;
  stop(): Promise<void>;
}

export interface SwitchingComponents
  extends Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'writer' | 'underlay' | 'emit' | 'signal'> {
  /** Brings the table up to date from a fresh dump. */
  read(): Promise<boolean>;
  /** Has WireGuard send the peer a packet now. Never rejects. */
  nudge(peer: PeerEntry): Promise<void>;
}

export function createSwitching(components: SwitchingComponents): Switching {
  const { device, clock, logger, writer, underlay, emit, signal, read, nudge } = components;
  const running = new Map<PeerEntry, Promise<void>>();

  const write = async (peer: PeerEntry, to: Endpoint): Promise<void> => {
    using deadline = clock.deadline(STEP_MS, signal);
    peer.lastWrite = { endpoint: to, at: clock.now() };
    await writer.set(device.name, peer.publicKey, to, deadline.signal);
    peer.endpointWrites += 1;
    if (peer.observed) peer.observed = { ...peer.observed, endpoint: to };
    // The peer's WireGuard follows a packet; a host that only answers would send none before one came by the old path.
    await nudge(peer);
  };

  const isLive = (peer: PeerEntry): boolean => peer.phase === 'connected' && peer.observed !== undefined;

  /** A second later; false: WireGuard is where it was. undefined: it is no more ours to say. */
  const sticks = async (peer: PeerEntry, to: Endpoint): Promise<boolean | undefined> => {
    await clock.sleep(LOOK_MS, signal);
    if (!(await read()) || !isLive(peer)) return undefined;
    return sameEndpoint(peer.observed?.endpoint, to);
  };

  /** Waits for a second in which nothing arrives; false: there is none. */
  const quiet = async (peer: PeerEntry): Promise<boolean> => {
    for (let look = 0; look < QUIET_LOOKS && isLive(peer); look += 1) {
      const before = peer.observed?.rxBytes;
      await clock.sleep(LOOK_MS, signal);
      if ((await read()) && peer.observed?.rxBytes === before) return isLive(peer);
    }
    return false;
  };

  const again = async (peer: PeerEntry, from: Endpoint, to: Endpoint, rttMs: number): Promise<void> => {
    const ms = Math.min(MOST_MUFFLE_MS, Math.max(MUFFLE_MS, Math.ceil(2 * rttMs)));
    const muffled = await underlay.muffle(from, ms).catch((error) => {
      logger.debug({ device: device.name, peer: peer.name, error }, 'the old path is not muffled');
      return false;
    });
    if (muffled || (await quiet(peer))) await write(peer, to);
  };

  const run = async (peer: PeerEntry, to: Endpoint, rttMs: number): Promise<void> => {
    const from = peer.observed?.endpoint;
    if (!from || sameEndpoint(from, to) || clock.now() < peer.handsOffUntil) return;
    await write(peer, to);
    let stays = await sticks(peer, to);
    if (stays === false) {
      await again(peer, from, to, rttMs);
      stays = await sticks(peer, to);
    }
    const names = { from: formatEndpoint(from), endpoint: formatEndpoint(to) };
    const fields = { device: device.name, peer: peer.name, ...names };
    if (stays === true) {
      logger.info(fields, 'moved to a better path');
      emit('path', peer, names);
    } else if (stays === false) logger.debug(fields, 'the better path did not stick; the old one stays');
  };

  return {
    move(peer, to, rttMs = 0) {
      const known = running.get(peer);
      if (known) return known;
      const job = run(peer, to, rttMs)
        .catch((error) => {
          if (!signal.aborted) logger.debug({ device: device.name, peer: peer.name, error }, 'not moved');
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
