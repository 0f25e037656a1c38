/** The paths to one peer, with what was asked, answered and heard on each. Times are milliseconds of a monotonic clock. */
import type { Endpoint, Family } from '../api/index.js';
import { formatEndpoint, sameEndpoint } from '../net/index.js';
import { type Path, type PathState, type RemoteCandidate, VALID_MS } from './path.js';
import { ROUND_MS, Schedule } from './schedule.js';
import { FRESH_MS } from './selection.js';

const MOST_LEARNT = 2;
const LEARN_PAUSE_MS = 5_000;
/** An answer that takes longer than this proves nothing any more. */
const ANSWER_MS = 10_000;

/** One path with its mutable state. */
export class Entry {
  /** A record may come to name a path that was learnt. */
  candidate: RemoteCandidate;
  readonly schedule = new Schedule();
  /** While it lasts the peer is known to have opened towards us, as it answered or asked. */
  openUntil = 0;
  validUntil = 0;
  /** Since when it was asked without an answer. */
  askedSince: number | undefined;
  lastTriedAt: number | undefined;
  lastValidAt: number | undefined;
  lastHeardAt: number | undefined;
  rttMs: number | undefined;

  constructor(candidate: RemoteCandidate) {
    this.candidate = candidate;
  }

  isValid(now: number): boolean {
    return now < this.validUntil;
  }

  toPath(now: number): Path {
    return {
      ...this.candidate,
      state: this.#state(now),
      ...(this.lastTriedAt === undefined ? {} : { lastTriedAt: this.lastTriedAt }),
      ...(this.lastValidAt === undefined ? {} : { lastValidAt: this.lastValidAt }),
      ...(this.lastHeardAt === undefined ? {} : { lastHeardAt: this.lastHeardAt }),
      ...(this.rttMs === undefined ? {} : { rttMs: this.rttMs }),
    };
  }

  #state(now: number): PathState {
    if (this.isValid(now)) return 'valid';
    if (this.askedSince === undefined) return 'waiting';
    return now - this.askedSince < ROUND_MS ? 'checking' : 'failed';
  }
}

export class PathList {
  readonly #entries = new Map<string, Entry>();
  /** Requests of ours that may still be answered, oldest first. */
  readonly #asked = new Map<string, { readonly entry: Entry; readonly at: number }>();
  #learntAt = Number.NEGATIVE_INFINITY;
  /** Valid paths besides that of a tunnel that died, and until when they tell something. */
  #lately: readonly Entry[] = [];
  #latelyUntil = 0;

  get entries(): Iterable<Entry> {
    return this.#entries.values();
  }

  get size(): number {
    return this.#entries.size;
  }

  find(endpoint: Endpoint): Entry | undefined {
    return this.#entries.get(formatEndpoint(endpoint));
  }

  /** The candidates of a new record; paths that it does not name go, but for those on which the peer was heard lately. */
  replace(now: number, candidates: readonly RemoteCandidate[]): void {
    const wanted = new Map(candidates.map((candidate) => [formatEndpoint(candidate.endpoint), candidate]));
    const kept = [...this.#entries].filter(
      ([name, entry]) => !wanted.has(name) && (entry.isValid(now) || now < entry.openUntil),
    );
    const named = [...wanted].map(([name, candidate]): [string, Entry] => {
      const known = this.#entries.get(name);
      // What was proven of an address holds, whatever it is called.
      if (known) known.candidate = candidate;
      return [name, known ?? new Entry(candidate)];
    });
    this.#entries.clear();
    for (const [name, entry] of [...named, ...kept]) this.#entries.set(name, entry);
  }

  /** A path from whose address a valid request came (peer-reflexive); undefined: the limit of such ones is reached. */
  learn(now: number, endpoint: Endpoint, lan: boolean): Entry | undefined {
    if (now - this.#learntAt < LEARN_PAUSE_MS) return undefined;
    const learnt = [...this.#entries].filter(([, { candidate }]) => candidate.type === 'learnt');
    if (learnt.length >= MOST_LEARNT) {
      const oldest = learnt.find(([, entry]) => !entry.isValid(now));
      if (!oldest) return undefined;
      this.#entries.delete(oldest[0]);
    }
    this.#learntAt = now;
    const entry = new Entry({ endpoint, type: 'learnt', lan });
    this.#entries.set(formatEndpoint(endpoint), entry);
    return entry;
  }

  asked(now: number, entry: Entry, transactionId: Uint8Array): void {
    for (const [id, { at }] of this.#asked) {
      if (now - at <= ANSWER_MS) break;
      this.#asked.delete(id);
    }
    this.#asked.set(nameOf(transactionId), { entry, at: now });
    entry.lastTriedAt = now;
    if (!entry.isValid(now)) entry.askedSince ??= now;
  }

  /** F46: the path whose own request this answers, from the address that was asked; valid for `validMs` from now on. */
  answered(now: number, transactionId: Uint8Array, from: Endpoint, validMs: number): Entry | undefined {
    const asked = this.#asked.get(nameOf(transactionId));
    if (!asked || formatEndpoint(asked.entry.candidate.endpoint) !== formatEndpoint(from)) return undefined;
    this.#asked.delete(nameOf(transactionId));
    const { entry } = asked;
    const rtt = now - asked.at;
    if (rtt > ANSWER_MS) return undefined;
    entry.rttMs = entry.rttMs === undefined ? rtt : entry.rttMs + (rtt - entry.rttMs) / 8;
    entry.lastValidAt = now;
    entry.validUntil = now + validMs;
    entry.openUntil = Math.max(entry.openUntil, now + VALID_MS);
    entry.askedSince = undefined;
    return entry;
  }

  /** Nothing that was seen before counts any more: our network changed, or the tunnel died. */
  forget(): void {
    this.#asked.clear();
    this.#lately = [];
    for (const entry of this.#entries.values()) {
      entry.validUntil = 0;
      entry.openUntil = 0;
      entry.askedSince = undefined;
    }
  }

  /** The tunnel died on `used`: nothing is valid any more. */
  lose(now: number, used: Endpoint | undefined): void {
    const others = [...this.#entries.values()].filter(
      (entry) => entry.isValid(now) && !sameEndpoint(entry.candidate.endpoint, used),
    );
    this.forget();
    this.#lately = others;
    this.#latelyUntil = now + ROUND_MS;
  }

  /** Our addresses of these families are what they were when the peer answered lately, so it is open there still; the paths. What answered
   * in the tunnel's last seconds is valid: there the peer is now. */
  reopen(now: number, families: ReadonlySet<Family>): readonly Entry[] {
    const open = this.#lately.filter(({ candidate }) => families.has(candidate.endpoint.family));
    if (now >= this.#latelyUntil) return [];
    this.#lately = this.#lately.filter((entry) => !open.includes(entry));
    for (const entry of open) {
      entry.openUntil = Math.max(entry.openUntil, this.#latelyUntil);
      const sinceMs = this.#latelyUntil - ROUND_MS - (entry.lastValidAt ?? Number.NEGATIVE_INFINITY);
      if (sinceMs <= FRESH_MS) entry.validUntil = now + ROUND_MS;
    }
    return open;
  }

  clear(): void {
    this.#entries.clear();
    this.#asked.clear();
  }

  hasValid(now: number): boolean {
    for (const entry of this.#entries.values()) if (entry.isValid(now)) return true;
    return false;
  }

  paths(now: number): readonly Path[] {
    return [...this.#entries.values()].map((entry) => entry.toPath(now));
  }
}

function nameOf(transactionId: Uint8Array): string {
  return Buffer.from(transactionId).toString('latin1');
}
