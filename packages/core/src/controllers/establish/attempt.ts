/** Makes a handshake happen at once: punch, set, trigger, and renew where WireGuard is in its pause (F18, F18b). */
import { type Endpoint, hasCode, isStunmeshError } from '../../api/index.js';
import { formatEndpoint, sameEndpoint } from '../../net/index.js';
import { tried } from '../../paths/check-list.js';
import { PARKED } from '../../paths/session.js';
import { createFault } from '../../peers/faults.js';
import { hasSession } from '../../peers/health.js';
import type { PeerEntry } from '../../peers/peer-table.js';
import { createSemaphore } from '../../runtime/semaphore.js';
import type { DeviceComponents } from '../device-components.js';
import type { HandshakeTrigger } from './handshake-trigger.js';
import type { Punch } from './punch.js';

/** A trigger after which the tx counter has not grown by then met WireGuard's pause (F18). */
const PAUSE_TELLS_MS = 150;
/** Both sides see the other's record at the same moment. The one with the larger key holds its renewal back by this, so that it
 * finds the other's handshake already under way: renewed then, it would forget the session that the other believes in. */
const YIELD_MS = 350;
/** Whoever was heard so recently is in the middle of a handshake. */
const HANDSHAKE_MS = 1_000;
/** At most one endpoint change per peer in this time. */
export const WRITE_GAP_MS = 3_000;
const STEP_MS = 5_000;
/** Renewals under way at once; apart from punches, so that a crowd of them keeps nobody's NAT closed. */
const MOST_AT_ONCE = 8;
/** Each renewal reads the device twice, so where there are more peers only one that is seen to be in its pause is renewed. */
const FEW_PEERS = 50;

export interface Attempts {
  /** One attempt: all endpoints punched, the first one set, the handshake begun. Rejects with WireGuard's errors. */
  attempt(peer: PeerEntry, endpoints: readonly Endpoint[]): Promise<void>;
  /** The same without a punch: both NATs are open there, and a check has proved it. Rejects with WireGuard's errors. */
  use(peer: PeerEntry, endpoint: Endpoint): Promise<void>;
  /** This host moved. Userspace WireGuard goes on sending from the address that is gone (up to 17 s were measured) until it is told
   * an endpoint, so each peer is told its present one; nothing else changes by it. Never rejects. */
  refreshSource(): Promise<void>;
}

export interface AttemptsComponents
  extends Pick<
    DeviceComponents,
    'device' | 'clock' | 'logger' | 'control' | 'writer' | 'emit' | 'signal' | 'settings'
  > {
  /** Brings the table up to date from a fresh dump. */
  read(): Promise<boolean>;
  readonly punch: Punch;
  readonly handshake: HandshakeTrigger;
}

export function createAttempts(components: AttemptsComponents): Attempts {
  const { device, clock, logger, control, writer, emit, signal, settings, read, punch, handshake } = components;
  const renewals = createSemaphore(MOST_AT_ONCE);

  const setEndpoint = async (peer: PeerEntry, wanted: Endpoint): Promise<void> => {
    const now = clock.now();
    const again = peer.paths.some(
      ({ endpoint, lastTriedAt }) =>
        sameEndpoint(endpoint, wanted) && lastTriedAt !== undefined && lastTriedAt >= peer.unconnectedSince,
    );
    // Written or not: it is the path that is tried now.
    peer.paths = tried(peer.paths, wanted, now);
    if (sameEndpoint(peer.observed?.endpoint, wanted) || now < peer.handsOffUntil) return;
    // Off the place where it was kept it goes at once: nobody could be met there.
    const isParked = sameEndpoint(peer.observed?.endpoint, PARKED);
    if (!isParked && peer.lastWrite && now - peer.lastWrite.at < WRITE_GAP_MS) return;
    using deadline = clock.deadline(STEP_MS, signal);
    // Noted before the write, for a reading may show it before the call returns.
    const before = peer.lastWrite;
    peer.lastWrite = { endpoint: wanted, at: now };
    try {
      await writer.set(device.name, peer.publicKey, wanted, deadline.signal);
    } catch (error) {
      // What took too long may come to pass all the same: then it is no other program's.
      if (!hasCode(error, 'ERR_DEADLINE')) peer.lastWrite = before;
      throw error;
    }
    written(peer, wanted, again);
  };

  const written = (peer: PeerEntry, wanted: Endpoint, again: boolean): void => {
    peer.endpointWrites += 1;
    if (peer.observed) peer.observed = { ...peer.observed, endpoint: wanted };
    const endpoint = formatEndpoint(wanted);
    // A peer that stays away has its candidates in turn, again and again: each is told once.
    logger[again ? 'debug' : 'info']({ device: device.name, peer: peer.name, endpoint }, 'endpoint set');
    emit('endpoint', peer, { endpoint });
  };

  /** Only a peer without a session may be renewed: on a live one it is harm (F18b). */
  const mayRenew = (peer: PeerEntry): boolean => {
    const now = clock.now();
    const { lastRxAt } = peer.life;
    if (lastRxAt !== undefined && now - lastRxAt < HANDSHAKE_MS) return false;
    return (
      settings().renew &&
      peer.series.renewalsLeft > 0 &&
      peer.budget.nextAt('renewal', now) <= now &&
      peer.phase !== 'connected' &&
      !hasSession(peer.life, now) &&
      now >= peer.handsOffUntil
    );
  };

  /** True: it was renewed. */
  const renew = async (peer: PeerEntry, endpoint: Endpoint | undefined): Promise<boolean> => {
    if (!endpoint) return false;
    using deadline = clock.deadline(STEP_MS, signal);
    peer.series.renewalsLeft -= 1;
    peer.budget.take('renewal', clock.now());
    try {
      await control.renewPeer(device.name, peer.publicKey, endpoint, deadline);
      peer.renewals += 1;
      peer.lastWrite = { endpoint, at: peer.lastWrite?.at ?? clock.now() };
      emit('renewed', peer, {});
      return true;
    } catch (error) {
      if (signal.aborted || hasCode(error, 'ERR_DEADLINE')) return false;
      if (isStunmeshError(error)) peer.fault = createFault(error, clock.wallNow());
      // A peer that must not or cannot be renewed is left to WireGuard's own five seconds.
      peer.series.renewalsLeft = 0;
      logger.debug({ device: device.name, peer: peer.name, error }, 'handshake pause not shortened');
      return false;
    }
  };

  /** Look before you set: while we waited WireGuard may have connected or followed the peer (F16, F17). */
  const isWanted = async (peer: PeerEntry): Promise<boolean> =>
    (await read()) && peer.observed !== undefined && peer.phase !== 'connected';

  const meet = async (peer: PeerEntry, wanted: Endpoint): Promise<void> => {
    await setEndpoint(peer, wanted);
    if (!peer.observed) return;
    const txBefore = peer.observed.txBytes;
    await handshake.trigger(peer);
    await clock.sleep(PAUSE_TELLS_MS, signal);
    if (!(await read()) || !peer.observed) return;
    if (peer.observed.txBytes !== txBefore || !peer.observed.endpoint || !mayRenew(peer)) return;
    if ((device.facts?.publicKey ?? '') > peer.publicKey) {
      await clock.sleep(YIELD_MS, signal);
      if (!(await read()) || !mayRenew(peer)) return;
    }
    await renewals.run(() => renew(peer, peer.observed?.endpoint));
    if (await read()) await handshake.trigger(peer);
  };

  /** A peer that had no endpoint, or a parked one, mostly has its pause begun by what was to go to it meanwhile, and userspace WireGuard
   * counts nothing of that. So it gets the path and its renewal in one write, instead of a wait for what the counter tells. */
  const renewAt = async (peer: PeerEntry, wanted: Endpoint): Promise<boolean> => {
    const { endpoint } = peer.observed ?? {};
    const nowhere = endpoint === undefined || sameEndpoint(endpoint, PARKED);
    // Of two that renew each other, one would forget the session that the other believes in.
    const isFirst = (device.facts?.publicKey ?? '') < peer.publicKey;
    if (!nowhere || !isFirst || device.peers.length > FEW_PEERS || !mayRenew(peer)) return false;
    const before = peer.lastWrite;
    peer.lastWrite = { endpoint: wanted, at: clock.now() };
    if (!(await renew(peer, wanted))) {
      peer.lastWrite = before;
      return false;
    }
    peer.paths = tried(peer.paths, wanted, clock.now());
    written(peer, wanted, false);
    return true;
  };

  return {
    async use(peer, wanted) {
      if (!(await isWanted(peer))) return;
      if (await renewAt(peer, wanted)) await handshake.trigger(peer);
      else await meet(peer, wanted);
    },
    async attempt(peer, endpoints) {
      const [wanted] = endpoints;
      if (!wanted) return;
      await punch.punchPeer(peer, endpoints);
      if (await isWanted(peer)) await meet(peer, wanted);
    },
    async refreshSource() {
      // Read first: WireGuard may have followed a peer since the last reading.
      if (!(await read())) return;
      using deadline = clock.deadline(STEP_MS, signal);
      const writes = device.peers.map(async (peer) => {
        const endpoint = peer.observed?.endpoint;
        if (endpoint) await writer.set(device.name, peer.publicKey, endpoint, deadline.signal);
      });
      await Promise.all(writes).catch((error) => {
        if (!signal.aborted) logger.debug({ device: device.name, error }, 'could not renew the source address');
      });
    },
  };
}
