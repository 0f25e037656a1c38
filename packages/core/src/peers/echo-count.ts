/** Echoes that a peer left unanswered, and what arrived meanwhile. */
import type { PeerEntry } from './peer-table.js';

/** Echoes are counted anew: one was answered, or what they were sent into is another session. */
export function forgetEchoes(peer: PeerEntry): void {
  peer.unansweredEchoes = 0;
  peer.rxAtSilence = undefined;
  peer.rxGrewAt = undefined;
}

/** As long as an answer may be on its way. */
const SETTLING_MS = 1_000;
/** Bytes that arrived so long ago say nothing of now. */
const ARRIVING_MS = 15_000;

/** WireGuard's counter was read: does something arrive while echoes stay unanswered? The first reading after the first of them is the
 * measure, since the last answer may only have been counted by then. */
export function watchArrivals(peer: PeerEntry, rx: number, now: number): void {
  if (peer.unansweredEchoes === 0) return;
  if (peer.rxAtSilence === undefined || rx < peer.rxAtSilence) {
    // Not yet: what was on its way when the first echo was sent may arrive after this reading.
    if (now - peer.unansweredSince >= SETTLING_MS) peer.rxAtSilence = rx;
    return;
  }
  if (rx > peer.rxAtSilence) {
    peer.rxAtSilence = rx;
    peer.rxGrewAt = now;
  } else if (peer.rxGrewAt !== undefined && now - peer.rxGrewAt > ARRIVING_MS) peer.rxGrewAt = undefined;
}

/** An echo was sent to it; an answer takes all of them back. */
export function countEcho(peer: PeerEntry, now: number): void {
  if (peer.unansweredEchoes === 0) peer.unansweredSince = now;
  peer.unansweredEchoes += 1;
}
