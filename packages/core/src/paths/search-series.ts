/** One series of a search: openers or probes from the beginning of a slot on, and what comes back. Times are milliseconds since 1970. */
import type { Endpoint } from '../api/index.js';
import { sameEndpoint } from '../net/index.js';
import type { SearchPlan } from './search-plan.js';

const PROBE_FROM_MS = 3_000;
export const PROBE_TO_MS = 50_000;
const PROBE_EVERY_MS = 20;
/** The peer's clock may be 3 s ahead of ours: openers are out by then. */
const OPEN_EVERY_MS = 10;
const REFRESH_MS = 20_000;
export const SERIES_MS = 60_000;
const ROUNDS = SERIES_MS / REFRESH_MS;
/** After a request of the peer, from the port that it found. */
const CONFIRM = [0, 100, 300, 700, 1_500];

export interface SearchSend {
  readonly pair: string;
  readonly to: Endpoint;
  readonly transactionId: Uint8Array;
  /** Absent: WireGuard's own port. */
  readonly sourcePort?: number;
  /** Dies behind our own NAT (openers), or reaches the peer (probes). */
  readonly low: boolean;
}

/** A way through: the device's endpoint, and with `sourcePort` the port to which WireGuard's packets to it are diverted. */
export interface SearchHit {
  readonly pair: string;
  readonly endpoint: Endpoint;
  readonly sourcePort?: number;
}

export interface SeriesOptions {
  readonly pair: string;
  readonly plan: SearchPlan;
  readonly startAt: number;
  /** Which one it is for this pair, counted from 1. */
  readonly number: number;
  /** Ports of ours; none: WireGuard's own is enough. */
  readonly ports: readonly number[];
  /** Ports of the peer's router, in order. */
  readonly order: Iterator<number>;
  /** Whether the budget allows one more full packet now. */
  allow(wall: number): boolean;
  createId(): Uint8Array;
}

interface Way {
  readonly to: Endpoint;
  readonly sourcePort: number | undefined;
}

export class Series {
  readonly options: SeriesOptions;
  /** Probes, or openers of one round. */
  readonly of: number;
  sent = 0;
  #opened = 0;
  #roundAt: number;
  #nextAt: number;
  readonly #asked = new Map<string, Way>();
  #confirm: (Way & { readonly from: number; next: number }) | undefined;

  constructor(options: SeriesOptions) {
    const { plan, startAt, ports } = options;
    this.options = options;
    this.of = plan.role === 'probe' ? plan.probes : Math.max(1, ports.length);
    this.#roundAt = startAt;
    this.#nextAt = plan.role === 'probe' ? startAt + PROBE_FROM_MS : startAt;
  }

  isOver(wall: number): boolean {
    return wall >= this.options.startAt + SERIES_MS || wall < this.options.startAt;
  }

  get wakeAt(): number {
    const confirmAt = this.#confirm && this.#confirm.from + (CONFIRM[this.#confirm.next] ?? Number.POSITIVE_INFINITY);
    return Math.min(this.#nextAt, confirmAt ?? Number.POSITIVE_INFINITY, this.options.startAt + SERIES_MS);
  }

  next(wall: number): SearchSend[] {
    const sends = this.#confirmations(wall);
    while (this.#nextAt <= wall) {
      const send = this.options.plan.role === 'probe' ? this.#probe(wall) : this.#open(wall);
      if (send) sends.push(send);
    }
    return sends;
  }

  /** A check of the peer came on this port of ours: that way is asked in return, and searched no further. */
  onRequest(wall: number, from: Endpoint, localPort: number): void {
    if (this.options.plan.role === 'probe' || this.#confirm || !this.options.ports.includes(localPort)) return;
    this.#confirm = { to: from, sourcePort: localPort, from: wall, next: 0 };
  }

  /** F46: the way whose request this answers, from the address that was asked. */
  onAnswer(transactionId: Uint8Array, from: Endpoint): SearchHit | undefined {
    const way = this.#asked.get(nameOf(transactionId));
    if (!way || !sameEndpoint(way.to, from)) return undefined;
    const port = way.sourcePort === undefined ? {} : { sourcePort: way.sourcePort };
    return { pair: this.options.pair, endpoint: from, ...port };
  }

  #probe(wall: number): SearchSend | undefined {
    const { plan, startAt, order } = this.options;
    // What was missed is not made up for: never more than 50 a second.
    this.#nextAt = Math.max(this.#nextAt, wall - PROBE_EVERY_MS) + PROBE_EVERY_MS;
    const isOver = wall > startAt + PROBE_TO_MS || this.sent >= this.of;
    if (!isOver && !this.options.allow(wall)) return undefined;
    const port = isOver ? undefined : order.next().value;
    if (port === undefined || plan.role !== 'probe') {
      this.#nextAt = Number.POSITIVE_INFINITY;
      return undefined;
    }
    this.sent += 1;
    return this.#ask({ to: { family: 4, address: plan.address, port }, sourcePort: undefined }, false);
  }

  #open(wall: number): SearchSend | undefined {
    const { plan, ports, startAt } = this.options;
    if (plan.role === 'probe') return undefined;
    const sourcePort = ports[this.#opened];
    this.#opened += 1;
    this.sent = Math.max(this.sent, this.#opened);
    this.#nextAt += plan.role === 'both' ? PROBE_EVERY_MS : OPEN_EVERY_MS;
    if (this.#opened >= this.of) {
      this.#roundAt += REFRESH_MS;
      this.#opened = 0;
      this.#nextAt = this.#roundAt < startAt + SERIES_MS ? this.#roundAt : Number.POSITIVE_INFINITY;
    }
    const full = plan.role === 'both';
    if (full && !this.options.allow(wall)) return undefined;
    return this.#ask({ to: plan.target, sourcePort }, !full);
  }

  #confirmations(wall: number): SearchSend[] {
    const found = this.#confirm;
    if (!found) return [];
    const due = CONFIRM[found.next];
    if (due === undefined || found.from + due > wall) return [];
    found.next += 1;
    return this.options.allow(wall) ? [this.#ask(found, false)] : [];
  }

  #ask({ to, sourcePort }: Way, low: boolean): SearchSend {
    const transactionId = this.options.createId();
    this.#asked.set(nameOf(transactionId), { to, sourcePort });
    return { pair: this.options.pair, to, transactionId, ...(sourcePort === undefined ? {} : { sourcePort }), low };
  }
}

/** Full packets of one series: openers that die behind our own NAT cost the mapping alone. */
export function probesOf(plan: SearchPlan): number {
  if (plan.role === 'probe') return plan.probes;
  return CONFIRM.length + (plan.role === 'both' ? ROUNDS * plan.mappings : 0);
}

function nameOf(transactionId: Uint8Array): string {
  return Buffer.from(transactionId).toString('latin1');
}
