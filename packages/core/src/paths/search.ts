/** The searches of one host, one at a time, by the wall clock: what to send now (F60, F62). Times are milliseconds since 1970. */
import type { Endpoint } from '../api/index.js';
import { portsAfter, portsOfBlock, type RandomInt, randomPorts, sourcePorts } from './port-order.js';
import type { SearchLedger } from './search-ledger.js';
import type { SearchPlan } from './search-plan.js';
import { PROBE_TO_MS, probesOf, type SearchHit, type SearchSend, Series } from './search-series.js';
import { slotFrom } from './slots.js';

/** A series that cannot begin within it leaves its slot out. */
const LATEST_MS = 2_000;

export interface SearchParts {
  readonly ledger: SearchLedger;
  readonly random: RandomInt;
  /** Whether a port of ours may be used (port-order.ts). */
  isFree(port: number): boolean;
  /** 12 bytes: the prefix of the socket that asks for this pair, then random ones. */
  createId(pair: string): Uint8Array;
}

/** A pair that may be searched for: unconnected, wanted by hard_nat, with a plan. */
export interface SearchPair {
  readonly name: string;
  /** PairKeys.searchSeed. */
  readonly seed: number;
  readonly plan: SearchPlan;
  /** Both hosts' addresses without ports. */
  readonly addresses: string;
}

export interface SearchProgress {
  readonly pair: string;
  readonly series: number;
  readonly sent: number;
  readonly of: number;
  /** Ports of ours on which requests and answers may come. */
  readonly sourcePorts: readonly number[];
}

export interface SearchStep {
  readonly sends: readonly SearchSend[];
  /** The series that runs. */
  readonly running?: SearchProgress;
  /** A series began or ended: the ledger is to be saved, before the sends. */
  readonly save: boolean;
  readonly wakeAt: number;
}

export class HardNatSearch {
  readonly #parts: SearchParts;
  #pairs: readonly SearchPair[] = [];
  #series: { readonly pair: SearchPair; readonly run: Series } | undefined;
  /** The one before: an answer may come when it is over. */
  #last: Series | undefined;
  #save = false;

  constructor(parts: SearchParts) {
    this.#parts = parts;
  }

  /** All pairs that may be searched for now. One that is left out is stopped at once: it is connected by anything, switched off, its
   * records are old, or the network changed (F62). */
  update(pairs: readonly SearchPair[]): void {
    this.#pairs = pairs;
    const running = this.#series?.pair;
    const still = pairs.find(({ name }) => name === running?.name);
    if (running && (still?.addresses !== running.addresses || still.plan.role !== running.plan.role)) this.#end();
  }

  /** A valid check of the pair's peer came on a port of ours that is not WireGuard's. */
  onRequest(wall: number, pair: string, from: Endpoint, localPort: number): void {
    if (this.#series?.pair.name === pair) this.#series.run.onRequest(wall, from, localPort);
  }

  /** An answer with the peer's integrity came: where it is the answer to a probe, the series is over, and the pair's count too. */
  onAnswer(transactionId: Uint8Array, from: Endpoint): SearchHit | undefined {
    const hit = (this.#series?.run ?? this.#last)?.onAnswer(transactionId, from);
    if (!hit) return undefined;
    this.#parts.ledger.hit(hit.pair);
    this.#end();
    this.#last = undefined;
    return hit;
  }

  /** How long a pair waits, milliseconds since 1970; for status. */
  pausedUntil({ name, addresses }: Pick<SearchPair, 'name' | 'addresses'>): number {
    return this.#parts.ledger.pairFreeAt(name, addresses) * 1_000;
  }

  /** Of the pair, since its last hit. */
  seriesOf({ name, addresses }: SearchPair): number {
    return this.#parts.ledger.seriesOf(name, addresses);
  }

  /** When its next slot begins. */
  nextAt({ seed, plan }: SearchPair, wall: number): number {
    return slotFrom(wall + 1, seed, plan.periodSeconds);
  }

  next(wall: number): SearchStep {
    if (this.#series?.run.isOver(wall)) this.#end();
    if (!this.#series) this.#begin(wall);
    const sends = this.#series?.run.next(wall) ?? [];
    const save = this.#save;
    this.#save = false;
    const { running } = this;
    return { sends, ...(running ? { running } : {}), save, wakeAt: this.#wakeAt(wall) };
  }

  get running(): SearchProgress | undefined {
    if (!this.#series) return undefined;
    const { options, sent, of } = this.#series.run;
    return { pair: options.pair, series: options.number, sent, of, sourcePorts: options.ports };
  }

  #begin(wall: number): void {
    const startOf = ({ seed, plan }: SearchPair) => slotFrom(wall - LATEST_MS, seed, plan.periodSeconds);
    const waiting = this.#pairs
      .filter((pair) => startOf(pair) <= wall && this.#isFreeAt(pair, startOf(pair)))
      .sort((a, b) => this.#parts.ledger.lastAt(a.name) - this.#parts.ledger.lastAt(b.name));
    for (const pair of waiting) {
      const ports = this.#portsOf(pair, wall / 1_000);
      // What older series sent runs out while this one goes on.
      const fits = this.#parts.ledger.hasRoom((startOf(pair) + PROBE_TO_MS) / 1_000, probesOf(pair.plan));
      if (!ports || !fits) continue;
      this.#start(pair, startOf(pair), ports);
      break;
    }
  }

  #start(pair: SearchPair, startAt: number, ports: readonly number[]): void {
    const { name, addresses, plan } = pair;
    const probes = probesOf(plan);
    this.#parts.ledger.begin(startAt / 1_000, name, addresses, { probes, ...(ports.length > 0 ? { ports } : {}) });
    const run = new Series({
      pair: name,
      plan,
      startAt,
      number: this.#parts.ledger.seriesOf(name, addresses),
      ports,
      order: this.#order(plan),
      allow: (wall) => this.#parts.ledger.probe(wall / 1_000),
      createId: () => this.#parts.createId(name),
    });
    this.#series = { pair, run };
    this.#last = undefined;
    this.#save = true;
  }

  #isFreeAt({ name, addresses }: SearchPair, startAt: number): boolean {
    const isNew = this.#parts.ledger.lastAt(name) * 1_000 < startAt;
    return isNew && this.#parts.ledger.pairFreeAt(name, addresses) * 1_000 <= startAt;
  }

  /** None: WireGuard's own port is enough. */
  #portsOf({ name, addresses, plan }: SearchPair, now: number): readonly number[] | undefined {
    if (plan.role === 'probe' || plan.mappings === 1) return [];
    const draw = (count: number) => sourcePorts(count, this.#parts.random, (port) => this.#parts.isFree(port));
    return this.#parts.ledger.portsFor(now, name, addresses, plan.mappings, draw);
  }

  #order(plan: SearchPlan): Iterator<number> {
    const { random } = this.#parts;
    if (plan.role !== 'probe') return [].values();
    const { ports, probes } = plan;
    if (ports.kind === 'after') return portsAfter(ports.last, ports.delta, probes);
    return ports.kind === 'block' ? portsOfBlock(ports.last, ports.size, random) : randomPorts(random);
  }

  #end(): void {
    if (this.#series) this.#parts.ledger.end();
    this.#last = this.#series?.run;
    this.#series = undefined;
    this.#save = true;
  }

  #wakeAt(wall: number): number {
    if (this.#series) return this.#series.run.wakeAt;
    const starts = this.#pairs.map((pair) => {
      const free = this.#parts.ledger.pairFreeAt(pair.name, pair.addresses) * 1_000;
      return slotFrom(Math.max(wall + 1, free), pair.seed, pair.plan.periodSeconds);
    });
    return Math.min(...starts, Number.POSITIVE_INFINITY);
  }
}
