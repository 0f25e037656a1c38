/** What a peer did in the last 24 hours, in a ring of ten minutes each: the worst phase, how long it was without a tunnel, the longest round trip. */
import type { Phase } from '../peers/health.js';

export const BUCKET_MS = 600_000;
export const BUCKETS = 144;
/** A byte of each kind for each ten minutes. */
export const TRACK_BYTES = 3 * BUCKETS;

const LOST = BUCKETS;
const RTT = 2 * BUCKETS;

/** From well to worst; what comes before the first is not known. */
const PHASES: readonly Phase[] = ['connected', 'idle', 'waiting', 'connecting', 'suspect'];
const LETTERS = '-ciwos';

/** A round trip as a byte: 0 none, 1 a tenth of a millisecond or less, each next one 5 % more (255: 24 s). */
const LEAST_RTT_MS = 0.1;
const RTT_STEP = Math.log(1.05);

/** Plain JSON: the oldest ten minutes first, the present ones last. */
export interface TrackSnapshot {
  /** Letters with how often they follow each other, "c140s1c3": c connected, i idle, w waiting, o connecting, s suspect, - not known. */
  readonly phases: string;
  /** Which of the ten minutes had time without a tunnel, and how many seconds: [[141, 12]]. */
  readonly lost: readonly (readonly [number, number])[];
  /** Base64 of a byte for each: 0 none, n: 0.1 ms x 1.05^(n-1). */
  readonly rtt: string;
}

export class Track {
  readonly #bytes = new Uint8Array(TRACK_BYTES);
  #phase: number;
  /** Up to when the ring is written, in monotonic milliseconds. */
  #upTo: number;
  #lostMs = 0;

  constructor(phase: Phase, now: number) {
    this.#phase = code(phase);
    this.#upTo = now;
    this.#open(now);
  }

  /** From now on the peer is in this phase. */
  enter(phase: Phase, now: number): void {
    this.advance(now);
    this.#phase = code(phase);
    this.#mark();
  }

  /** The longest round trip of each ten minutes is kept. */
  roundTrip(rttMs: number, now: number): void {
    this.advance(now);
    const at = RTT + slot(now);
    const byte = Math.round(Math.log(Math.max(rttMs, LEAST_RTT_MS) / LEAST_RTT_MS) / RTT_STEP) + 1;
    this.#bytes[at] = Math.max(this.#bytes[at] ?? 0, Math.min(byte, 255));
  }

  /** Writes the time that has gone by. */
  advance(now: number): void {
    // What is older than the ring has no place in it.
    this.#upTo = Math.max(this.#upTo, now - BUCKETS * BUCKET_MS);
    while (this.#upTo < now) {
      const end = Math.min(now, (Math.floor(this.#upTo / BUCKET_MS) + 1) * BUCKET_MS);
      this.#spend(end - this.#upTo);
      this.#upTo = end;
      if (end % BUCKET_MS === 0) this.#open(end);
    }
  }

  snapshot(now: number): TrackSnapshot {
    this.advance(now);
    const bytes = this.#bytes;
    const first = (slot(now) + 1) % BUCKETS;
    const lost: [number, number][] = [];
    let phases = '';
    let run = 0;
    for (let i = 0; i < BUCKETS; i += 1) {
      const at = (first + i) % BUCKETS;
      const before = bytes[at] ?? 0;
      run += 1;
      if (i === BUCKETS - 1 || bytes[(at + 1) % BUCKETS] !== before) {
        phases += `${LETTERS[before]}${run}`;
        run = 0;
      }
      const byte = bytes[LOST + at] ?? 0;
      if (byte > 0) lost.push([i, seconds(byte)]);
    }
    const rtt = Buffer.concat([bytes.subarray(RTT + first), bytes.subarray(RTT, RTT + first)]);
    return { phases, lost, rtt: rtt.toString('base64') };
  }

  #open(now: number): void {
    const at = slot(now);
    this.#bytes[at] = 0;
    this.#bytes[LOST + at] = 0;
    this.#bytes[RTT + at] = 0;
    this.#lostMs = 0;
    this.#mark();
  }

  #mark(): void {
    const at = slot(this.#upTo);
    this.#bytes[at] = Math.max(this.#bytes[at] ?? 0, this.#phase);
  }

  #spend(ms: number): void {
    if (this.#phase <= code('idle')) return;
    this.#lostMs += ms;
    // Of the ten minutes that this time lies in: the end may be the next ones already.
    this.#bytes[LOST + slot(this.#upTo)] = Math.ceil((this.#lostMs / BUCKET_MS) * 255);
  }
}

function code(phase: Phase): number {
  return PHASES.indexOf(phase) + 1;
}

function slot(now: number): number {
  return Math.floor(now / BUCKET_MS) % BUCKETS;
}

function seconds(byte: number): number {
  return Math.round((byte / 255) * (BUCKET_MS / 1000));
}
