/** The searches of one host, one at a time, by the wall clock: what to send now (F60, F62). Times are milliseconds since 1970. */
import type { Endpoint } from '../api/index.js';
import { portsAfter, portsOfBlock, type RandomInt, randomPorts, sourcePorts } from './port-order.js';
import type { SearchLedger } from './search-ledger.js';
import type { Ports, SearchPlan } from './search-plan.js';
import { slotFrom } from './slots.js';

const PROBE_FROM_MS = 3_000;
const PROBE_TO_MS = 50_000;
const PROBE_EVERY_MS = 20;
/** The peer's clock may be 3 s ahead of ours: openers are out by then. */
const OPEN_EVERY_MS = 10;
const REFRESH_MS = 20_000;
const SERIES_MS = 60_000;
const ROUNDS = SERIES_MS / REFRESH_MS;
/** A series that cannot begin within it leaves its slot out. */
const LATEST_MS = 2_000;

/** A pair that may be searched for: unconnected, wanted by hard_nat, with a plan. */
export interface SearchPair {
  readonly name: string;
  /** PairKeys.searchSeed. */
  readonly seed: number;
  readonly plan: SearchPlan;
  /** Both hosts' addresses without ports. */
  readonly addresses: string;
}

export interface SearchSend {
  readonly pair: string;
  readonly to: Endpoint;
  /** Absent: WireGuard's own port. */
  readonly sourcePort?: number;
  /** Dies behind our own NAT (openers), or reaches the peer (probes). */
  readonly low: boolean;
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

interface Series {
  readonly pair: SearchPair;
  readonly number: number;
  readonly startAt: number;
  readonly ports: readonly number[];
  readonly probes: Iterator<number> | undefined;
  readonly of: number;
  /** Openers of the present round that are out, and when the round began. */
  opened: number;
  roundAt: number;
  nextAt: number;
  sent: number;
}

export class HardNatSearch {
  readonly #ledger: SearchLedger;
  readonly #random: RandomInt;
  readonly #isFree: (port: number) => boolean;
  #pairs: readonly SearchPair[] = [];
  #series: Series | undefined;
  #save = false;

  /** `isFree`: whether a port of ours may be used (port-order.ts). */
  constructor(ledger: SearchLedger, random: RandomInt, isFree: (port: number) => boolean) {
    this.#ledger = ledger;
    this.#random = random;
    this.#isFree = isFree;
  }

  /** All pairs that may be searched for now. One that is left out is stopped at once: it is connected by anything, switched off, its
   * records are old, or the network changed (F62). */
  update(pairs: readonly SearchPair[]): void {
    this.#pairs = pairs;
    const running = this.#series?.pair;
    const still = pairs.find(({ name }) => name === running?.name);
    if (running && (still?.addresses !== running.addresses || still.plan.role !== running.plan.role)) this.#end();
  }

  /** The running series met the peer. */
  hit(): void {
    if (this.#series) this.#ledger.hit(this.#series.pair.name);
    this.#end();
  }

  /** How long a pair waits, milliseconds since 1970; for status. */
  pausedUntil({ name, addresses }: SearchPair): number {
    return this.#ledger.pairFreeAt(name, addresses) * 1_000;
  }

  next(wall: number): SearchStep {
    if (this.#series && (wall >= this.#series.startAt + SERIES_MS || wall < this.#series.startAt)) this.#end();
    if (!this.#series) this.#begin(wall);
    const sends = this.#series ? this.#send(this.#series, wall) : [];
    const save = this.#save;
    this.#save = false;
    const { running } = this;
    return { sends, ...(running ? { running } : {}), save, wakeAt: this.#wakeAt(wall) };
  }

  get running(): SearchProgress | undefined {
    if (!this.#series) return undefined;
    const { pair, number, sent, of, ports } = this.#series;
    return { pair: pair.name, series: number, sent, of, sourcePorts: ports };
  }

  #begin(wall: number): void {
    const startOf = ({ seed, plan }: SearchPair) => slotFrom(wall - LATEST_MS, seed, plan.periodSeconds);
    const waiting = this.#pairs
      .filter((pair) => startOf(pair) <= wall && this.#isFreeAt(pair, startOf(pair)))
      .sort((a, b) => this.#ledger.lastAt(a.name) - this.#ledger.lastAt(b.name));
    for (const pair of waiting) {
      const ports = this.#portsOf(pair, wall / 1_000);
      // What older series sent runs out while this one goes on.
      const fits = this.#ledger.hasRoom((startOf(pair) + PROBE_TO_MS) / 1_000, probesOf(pair.plan));
      if (!ports || !fits) continue;
      this.#start(pair, startOf(pair), ports);
      break;
    }
  }

  #start(pair: SearchPair, startAt: number, ports: readonly number[]): void {
    const { name, addresses, plan } = pair;
    const probes = probesOf(plan);
    this.#ledger.begin(startAt / 1_000, name, addresses, { probes, ...(ports.length > 0 ? { ports } : {}) });
    this.#series = {
      pair,
      number: this.#ledger.seriesOf(name, addresses),
      startAt,
      ports,
      probes: plan.role === 'probe' ? this.#order(plan.ports, plan.probes) : undefined,
      of: plan.role === 'probe' ? probes : Math.max(1, ports.length),
      opened: 0,
      roundAt: startAt,
      nextAt: plan.role === 'probe' ? startAt + PROBE_FROM_MS : startAt,
      sent: 0,
    };
    this.#save = true;
  }

  #isFreeAt({ name, addresses }: SearchPair, startAt: number): boolean {
    const isNew = this.#ledger.lastAt(name) * 1_000 < startAt;
    return isNew && this.#ledger.pairFreeAt(name, addresses) * 1_000 <= startAt;
  }

  /** None: WireGuard's own port is enough. */
  #portsOf({ name, addresses, plan }: SearchPair, now: number): readonly number[] | undefined {
    if (plan.role === 'probe' || plan.mappings === 1) return [];
    const draw = (count: number) => sourcePorts(count, this.#random, this.#isFree);
    return this.#ledger.portsFor(now, name, addresses, plan.mappings, draw);
  }

  #order(ports: Ports, probes: number): Iterator<number> {
    if (ports.kind === 'after') return portsAfter(ports.last, ports.delta, probes);
    return ports.kind === 'block' ? portsOfBlock(ports.last, ports.size, this.#random) : randomPorts(this.#random);
  }

  #send(series: Series, wall: number): SearchSend[] {
    const sends: SearchSend[] = [];
    while (series.nextAt <= wall) {
      const send = series.probes ? this.#probe(series, wall) : this.#open(series, wall);
      if (send) sends.push(send);
    }
    return sends;
  }

  #probe(series: Series, wall: number): SearchSend | undefined {
    const { pair, startAt, probes } = series;
    // What was missed is not made up for: never more than 50 a second.
    series.nextAt = Math.max(series.nextAt, wall - PROBE_EVERY_MS) + PROBE_EVERY_MS;
    const isOver = wall > startAt + PROBE_TO_MS || series.sent >= series.of;
    if (!isOver && !this.#ledger.probe(wall / 1_000)) return undefined;
    const port = isOver ? undefined : probes?.next().value;
    if (port === undefined || pair.plan.role !== 'probe') {
      series.nextAt = Number.POSITIVE_INFINITY;
      return undefined;
    }
    series.sent += 1;
    return { pair: pair.name, to: { family: 4, address: pair.plan.address, port }, low: false };
  }

  #open(series: Series, wall: number): SearchSend | undefined {
    const { pair, ports } = series;
    if (pair.plan.role === 'probe') return undefined;
    const sourcePort = ports[series.opened];
    series.opened += 1;
    series.sent = Math.max(series.sent, series.opened);
    series.nextAt += pair.plan.role === 'both' ? PROBE_EVERY_MS : OPEN_EVERY_MS;
    if (series.opened >= series.of) {
      series.roundAt += REFRESH_MS;
      series.opened = 0;
      series.nextAt = series.roundAt < series.startAt + SERIES_MS ? series.roundAt : Number.POSITIVE_INFINITY;
    }
    const full = pair.plan.role === 'both';
    if (full && !this.#ledger.probe(wall / 1_000)) return undefined;
    return { pair: pair.name, to: pair.plan.target, ...(sourcePort === undefined ? {} : { sourcePort }), low: !full };
  }

  #end(): void {
    if (this.#series) this.#ledger.end();
    this.#series = undefined;
    this.#save = true;
  }

  #wakeAt(wall: number): number {
    if (this.#series) return Math.min(this.#series.nextAt, this.#series.startAt + SERIES_MS);
    const starts = this.#pairs.map((pair) => {
      const free = this.#ledger.pairFreeAt(pair.name, pair.addresses) * 1_000;
      return slotFrom(Math.max(wall + 1, free), pair.seed, pair.plan.periodSeconds);
    });
    return Math.min(...starts, Number.POSITIVE_INFINITY);
  }
}

/** Full packets of one series: openers that die behind our own NAT cost the mapping alone. */
function probesOf(plan: SearchPlan): number {
  if (plan.role === 'probe') return plan.probes;
  return plan.role === 'both' ? ROUNDS * plan.mappings : 0;
}
