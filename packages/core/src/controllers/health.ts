/** Pure rules that tell from two readings of WireGuard whether a peer lives, and which phase it is in. */
import type { Peer } from '../api/index.js';

/** waiting: no record yet; connecting: an endpoint is set, no handshake; idle: no keepalive, no traffic, nothing wrong. */
export type Phase = 'waiting' | 'connecting' | 'connected' | 'suspect' | 'idle';

/** WireGuard's session ends this long after its handshake (REJECT_AFTER_TIME, WireGuard paper section 6.1). */
export const SESSION_MS = 180_000;

/** A handshake initiation's size: what a peer sends who tries to reach us and gets no answer. */
const INITIATION_BYTES = 148;

/** What WireGuard itself may still send after the last life: passive keepalives of 32 bytes. */
const QUIET_BYTES = 64;

/** What was last seen of a peer. Times are monotonic milliseconds unless named otherwise. */
export interface Life {
  readonly seen: boolean;
  /** WireGuard's own stamp of the latest handshake, milliseconds since 1970. */
  readonly handshakeAt: number | undefined;
  /** When that handshake happened by our monotonic clock, so that a jumping wall clock does not age it. */
  readonly handshakeMono: number | undefined;
  readonly rx: number;
  readonly tx: number;
  /** When the peer last gave a sign of life. */
  readonly lastLifeAt: number | undefined;
  /** tx counter at the last sign of life: more since then means that we sent and heard nothing. */
  readonly txAtLife: number;
}

export interface Observation {
  readonly life: Life;
  /** A sign of life in this reading. */
  readonly alive: boolean;
  /** The peer's initiations reach us and our answers do not reach it. */
  readonly knocking: boolean;
}

export function createLife(): Life {
  return { seen: false, handshakeAt: undefined, handshakeMono: undefined, rx: 0, tx: 0, lastLifeAt: undefined, txAtLife: 0 };
}

/** Compares a reading with the one before. Counters that went back (peer renewed, device recreated) start anew. */
export function observe(before: Life, peer: Peer, now: number, wallNow: number): Observation {
  const { rxBytes: rx, txBytes: tx, latestHandshakeAt: handshakeAt } = peer;
  const fresh = !before.seen || rx < before.rx || tx < before.tx;
  // Any other stamp is a new handshake: the wall clock may have been set back in between.
  const advanced = handshakeAt !== undefined && handshakeAt !== before.handshakeAt;
  const received = fresh ? 0 : rx - before.rx;
  const knocking = !advanced && received > 0 && received % INITIATION_BYTES === 0;

  let handshakeMono = handshakeAt === undefined ? undefined : before.handshakeMono;
  if (advanced) handshakeMono = now - (before.seen ? 0 : Math.max(0, wallNow - handshakeAt));
  const youngSession = handshakeMono !== undefined && now - handshakeMono < SESSION_MS;
  const alive = fresh ? advanced && youngSession : advanced || (received > 0 && !knocking);
  return {
    life: {
      seen: true,
      handshakeAt,
      handshakeMono,
      rx,
      tx,
      lastLifeAt: alive ? now : before.lastLifeAt,
      txAtLife: alive || fresh ? tx : before.txAtLife,
    },
    alive,
    knocking,
  };
}

/** Whether WireGuard has a session with the peer that can still carry packets. */
export function hasSession(life: Life, now: number): boolean {
  return life.handshakeMono !== undefined && now - life.handshakeMono < SESSION_MS;
}

export interface PhaseInput {
  readonly before: Phase;
  readonly life: Life;
  readonly knocking: boolean;
  readonly keepaliveSeconds: number;
  /** Whether an endpoint is set, or a record tells one. */
  readonly reachable: boolean;
  /** Monotonic time of our last endpoint write, if any. */
  readonly writtenAt: number | undefined;
  readonly now: number;
}

/** The phase that follows from what is known; a handshake's age alone is never a failure (F16). */
export function nextPhase(input: PhaseInput): Phase {
  const { before, life, now } = input;
  const lifeSinceWrite = life.lastLifeAt !== undefined && (input.writtenAt === undefined || life.lastLifeAt >= input.writtenAt);
  if (hasSession(life, now) && lifeSinceWrite) return 'connected';
  if (before === 'connected' || before === 'idle') {
    const quiet = input.keepaliveSeconds === 0 && life.tx - life.txAtLife <= QUIET_BYTES && !input.knocking;
    return quiet ? 'idle' : 'suspect';
  }
  if (before === 'suspect') return 'suspect';
  return input.reachable ? 'connecting' : 'waiting';
}
