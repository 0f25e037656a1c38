/** Who has read whose record, and opened its NAT towards it: what the records of a pair say about each other. */
import { acknowledgementOf, type PathCode, writtenAfter } from '../record/path-code.js';

/** An acknowledgement proves that the peer's NAT is open for as long as the shortest-lived entries of routers. */
const PROOF_MS = 30_000;
/** So long after an acknowledgement a sign of the peer should have come; else it may not have read ours. */
const REWRITE_AFTER_MS = 300;
/** A record that is further in the future has a time that tells nothing. */
const CLOCKS_APART_MS = 60_000;

export interface Times {
  /** Milliseconds of a monotonic clock. */
  readonly now: number;
  /** Milliseconds since 1970. */
  readonly wall: number;
  readonly clockSane: boolean;
}

export interface RecordNews {
  /** The record names other candidates than the one before. */
  readonly renewed: boolean;
  /** It acknowledges our present record, which the one before did not, and was written at most 30 s ago. */
  readonly acknowledged: boolean;
}

interface OwnRecord {
  readonly t: number;
  readonly ack: number | undefined;
  /** When a record with this `t` was first written, by the monotonic clock. */
  readonly firstAt: number;
}

export class Acknowledgements {
  #own: OwnRecord | undefined;
  #peer: PathCode | undefined;
  #readAt: number | undefined;
  #openUntil = 0;
  /** From when on our record is to be written again; undefined: it is not. */
  #rewriteAt: number | undefined;

  /** The store has taken our record. */
  onWritten(now: number, record: { readonly t: number; readonly ack?: number }): void {
    const firstAt = this.#own?.t === record.t ? this.#own.firstAt : now;
    if (this.#own?.t !== record.t) this.#openUntil = 0;
    this.#own = { t: record.t, ack: record.ack, firstAt };
    if (this.#isAcknowledged()) this.#rewriteAt = undefined;
  }

  /** A record of the peer was read; undefined: it is the one that we know, or an older one. */
  onRecord(at: Times, record: PathCode): RecordNews | undefined {
    const [before, readAt] = [this.#peer, this.#readAt];
    this.#readAt = at.now;
    if (before && !writtenAfter(record, before)) return undefined;
    this.#peer = record;
    const renewed = record.t !== before?.t;
    const proofUntil = this.#proofUntil(at, record, readAt);
    const acknowledged = proofUntil > at.now && (renewed || proofUntil > this.#openUntil);
    this.#openUntil = proofUntil;
    if (!this.#isAcknowledged()) {
      if (proofUntil > at.now) this.#rewriteAt ??= at.now + REWRITE_AFTER_MS;
      else if (renewed) this.#rewriteAt = at.now;
    }
    return { renewed, acknowledged };
  }

  /** A read found the record that we know, or none. */
  onUnchanged(now: number): void {
    this.#readAt = now;
  }

  /** A valid request or answer came: the peer knows enough. */
  onSign(): void {
    this.#rewriteAt = undefined;
  }

  /** Whether the peer's record says that its NAT is open towards all our candidates. */
  isOpen(now: number): boolean {
    return now < this.#openUntil;
  }

  /** What a record that is written now acknowledges, once our NAT is open. */
  get value(): number | undefined {
    return this.#peer && acknowledgementOf(this.#peer.t);
  }

  get rewriteAt(): number | undefined {
    return this.#rewriteAt;
  }

  get peer(): PathCode | undefined {
    return this.#peer;
  }

  /** The peer forgot checks, or its record went: nothing that it said counts. */
  forget(): void {
    this.#peer = undefined;
    this.#readAt = undefined;
    this.#openUntil = 0;
    this.#rewriteAt = undefined;
  }

  /** The record in the store acknowledges the peer's present one. */
  #isAcknowledged(): boolean {
    return this.#own?.ack !== undefined && this.#own.ack === this.value;
  }

  /** The end of what the acknowledgement proves: 30 s after the earliest moment at which the record can have been written. */
  #proofUntil(at: Times, record: PathCode, readAt: number | undefined): number {
    const own = this.#own;
    if (!own || record.ack !== acknowledgementOf(own.t)) return 0;
    // It was written after ours, and after the last reading that did not find it; a sane clock tells more.
    const bounds = [own.firstAt];
    if (readAt !== undefined) bounds.push(readAt);
    const age = at.wall - record.t * 1_000;
    if (at.clockSane && record.clockSane && age > -CLOCKS_APART_MS) bounds.push(at.now - Math.max(0, age));
    return Math.max(...bounds) + PROOF_MS;
  }
}
