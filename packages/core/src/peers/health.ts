/** Pure rules that tell from readings of WireGuard and echoes whether a peer lives, which phase it is in, and when to probe it. */
import type { Peer } from '../api/index.js';

/** waiting: no record yet; connecting: no handshake yet; suspect: a probe failed; idle: no keepalive, no traffic, nothing wrong. */
export type Phase = 'waiting' | 'connecting' | 'connected' | 'suspect' | 'idle';

/** WireGuard's session ends this long after its handshake (REJECT_AFTER_TIME, WireGuard paper section 6.1). */
const SESSION_MS = 180_000;
/** A handshake initiation's size: what a peer sends who tries to reach us and gets no answer. */
const INITIATION_BYTES = 148;
/** A keepalive's size; nobody answers one. */
const KEEPALIVE_BYTES = 32;
/** What WireGuard itself may still send after the last life: passive keepalives. */
const QUIET_BYTES = 2 * KEEPALIVE_BYTES;
/** A living WireGuard answers any data packet within 10 s (KEEPALIVE_TIMEOUT, section 6.5). */
const ANSWER_MS = 11_000;
/** With a keepalive of our own, so much silence is looked into: the peer may be gone without our sending any data. */
const SILENCE_MS = 30_000;

/** What was last seen of a peer. Times are monotonic milliseconds unless named otherwise. */
export interface Life {
  readonly seen: boolean;
  /** WireGuard's own stamp of the latest handshake, milliseconds since 1970. */
  readonly handshakeAt: number | undefined;
  /** When that handshake happened by our monotonic clock, so that a jumping wall clock does not age it. */
  readonly handshakeMono: number | undefined;
  readonly rx: number;
  readonly tx: number;
  /** When anything last arrived from the peer, a handshake initiation too. */
  readonly lastRxAt: number | undefined;
  /** When the peer last gave a sign of life. */
  readonly lastLifeAt: number | undefined;
  /** tx counter at the last sign of life. */
  readonly txAtLife: number;
  /** When it was seen that data was sent since the last sign of life; undefined: none was. */
  readonly sentAt: number | undefined;
}

export interface Observation {
  readonly life: Life;
  /** A sign of life in this reading. */
  readonly alive: boolean;
  /** Inbound initiations: the peer's handshakes reach us and our answers do not reach it. */
  readonly inbound: boolean;
}

export function createLife(): Life {
  return {
    seen: false,
    handshakeAt: undefined,
    handshakeMono: undefined,
    rx: 0,
    tx: 0,
    lastRxAt: undefined,
    lastLifeAt: undefined,
    txAtLife: 0,
    sentAt: undefined,
  };
}

/** Compares a reading with the one before. Counters that went back (peer renewed, device recreated) start anew. What was before the
 * first reading is no life, however young its handshake (F72). `bytesAreLife`: false for a peer whose echoes stay unanswered. */
export function observe(
  before: Life,
  peer: Peer,
  now: number,
  wallNow: number,
  { bytesAreLife = true }: { readonly bytesAreLife?: boolean } = {},
): Observation {
  const { rxBytes: rx, txBytes: tx, latestHandshakeAt: handshakeAt } = peer;
  const fresh = !before.seen || rx < before.rx || tx < before.tx;
  // Any other stamp is a new handshake: the wall clock may have been set back in between.
  const advanced = handshakeAt !== undefined && handshakeAt !== before.handshakeAt;
  const received = fresh ? (before.seen ? rx : 0) : rx - before.rx;
  const inbound = !advanced && received > 0 && received % INITIATION_BYTES === 0;

  let handshakeMono = handshakeAt === undefined ? undefined : before.handshakeMono;
  if (advanced) handshakeMono = now - (before.seen ? 0 : Math.max(0, wallNow - handshakeAt));
  const alive = before.seen && (advanced || (bytesAreLife && received > 0 && !inbound));
  const lastLifeAt = alive ? now : before.lastLifeAt;
  const txAtLife = alive || fresh ? tx : before.txAtLife;
  const sent = tx - txAtLife > quietBytes(peer.keepaliveSeconds, now - (lastLifeAt ?? now));
  return {
    life: {
      seen: true,
      handshakeAt,
      handshakeMono,
      rx,
      tx,
      lastRxAt: received > 0 ? now : before.lastRxAt,
      lastLifeAt,
      txAtLife,
      sentAt: sent ? (alive || fresh ? now : (before.sentAt ?? now)) : undefined,
    },
    alive,
    inbound,
  };
}

/** An answered echo is life too. */
export function observeEcho(before: Life, now: number): Life {
  return { ...before, lastLifeAt: now, txAtLife: before.tx, sentAt: undefined };
}

/** Our key is another one: no session of before counts, and no life (F72). */
export function forgetSession(before: Life): Life {
  return { ...before, handshakeMono: undefined, lastLifeAt: undefined, sentAt: undefined, txAtLife: before.tx };
}

/** What WireGuard sends by itself in this time without expecting an answer. */
function quietBytes(keepaliveSeconds: number, elapsedMs: number): number {
  return (
    QUIET_BYTES + (keepaliveSeconds === 0 ? 0 : KEEPALIVE_BYTES * (1 + Math.floor(elapsedMs / 1000 / keepaliveSeconds)))
  );
}

/** Whether WireGuard has a session with the peer that can still carry packets. */
export function hasSession(life: Life, now: number): boolean {
  return life.handshakeMono !== undefined && now - life.handshakeMono < SESSION_MS;
}

export interface PhaseInput {
  readonly before: Phase;
  readonly life: Life;
  readonly keepaliveSeconds: number;
  /** Whether an endpoint is set, or a record tells one. */
  readonly reachable: boolean;
  /** Life counts from here on: our last endpoint write, or the failed probe. Monotonic milliseconds. */
  readonly since: number;
  readonly now: number;
}

/** The phase that follows from a reading. Only a failed probe ends a connection: a handshake's age alone is never a failure (F16). */
export function nextPhase(input: PhaseInput): Phase {
  const { before, life, now } = input;
  if (before === 'connected' || before === 'idle') {
    if (life.lastLifeAt === now) return 'connected';
    const resting = input.keepaliveSeconds === 0 && !hasSession(life, now) && life.sentAt === undefined;
    return resting ? 'idle' : before;
  }
  if (life.lastLifeAt !== undefined && life.lastLifeAt >= input.since && hasSession(life, now)) return 'connected';
  if (before === 'suspect') return 'suspect';
  return input.reachable ? 'connecting' : 'waiting';
}

/** Why a connected or idle peer has to be probed now; undefined: no need. */
export function probeReason(life: Life, keepaliveSeconds: number, now: number): string | undefined {
  if (life.sentAt !== undefined && now - life.sentAt >= ANSWER_MS) return 'what was sent is not answered';
  if (keepaliveSeconds > 0 && now - (life.lastLifeAt ?? Number.NEGATIVE_INFINITY) >= SILENCE_MS)
    return 'no sign of life';
  return undefined;
}

export interface RecordChange {
  readonly phase: Phase;
  /** The present endpoint is one of the record's. */
  readonly inUse: boolean;
}

/** What to do about a peer's changed record: connect by it, probe the old path first, or keep it as a candidate. A tunnel that
 * works is never given up for a record, also where its peer answers no echoes and the probe takes long: a store that alternates two
 * records would break it. */
export function onRecordChange(change: RecordChange): 'connect' | 'probe' | 'keep' {
  if (change.phase !== 'connected' && change.phase !== 'idle') return 'connect';
  // A packet on an idle tunnel costs a metered link money (F42b); its next user finds out.
  return change.inUse || change.phase === 'idle' ? 'keep' : 'probe';
}
