/** What searches have cost this host, kept across restarts so that a restart resets no budget (F60). Times are seconds since 1970. */

const MOST_A_SECOND = 50;
/** Entries of routers live so long; a quarter of the 4,096 that a small router has may be ours. */
const ENTRY_SECONDS = 300;
/** A series refreshes its mappings until it ends. */
const SERIES_SECONDS = 60;
export const MOST_IN_ENTRY_TIME = 1_024;
const MOST_AN_HOUR = 4_096;
const MOST_MAPPINGS = 256;
const HOUR = 3_600;
const DAY = 24 * HOUR;
const FREE_SERIES = 3;
const PAUSES = [300, 600, 1_200];
/** Of a pair that was not tried for so long nothing is remembered. */
const FORGET_SECONDS = 2 * DAY;

export interface LedgerState {
  readonly version: 1;
  /** Probes by second. */
  readonly probes: readonly (readonly [second: number, count: number])[];
  readonly pairs: Readonly<Record<string, LedgerPair>>;
  /** What the running series may still send: after a crash it counts as sent. */
  readonly reserved: number;
}

export interface LedgerPair {
  /** Since the last hit or change of an address. */
  readonly series: number;
  /** The slot in which the last one began, which is the same for both hosts. */
  readonly lastAt: number;
  /** Both hosts' addresses: another one is another router. */
  readonly addresses: string;
  /** Our ports whose mappings live until then; they are used again while they do. */
  readonly ports?: readonly number[];
  readonly portsUntil?: number;
}

export class SearchLedger {
  readonly #probes = new Map<number, number>();
  readonly #pairs = new Map<string, LedgerPair>();
  #reserved = 0;

  /** `now` in seconds; what lies in the future (a clock that was wrong) counts as now. */
  constructor(now: number, state?: LedgerState) {
    for (const [second, count] of state?.probes ?? []) this.#count(Math.min(second, Math.floor(now)), count);
    if (state?.reserved) this.#count(Math.floor(now), state.reserved);
    for (const [name, pair] of Object.entries(state?.pairs ?? {})) {
      const until =
        pair.portsUntil === undefined
          ? {}
          : { portsUntil: Math.min(pair.portsUntil, now + SERIES_SECONDS + ENTRY_SECONDS) };
      this.#pairs.set(name, { ...pair, ...until, lastAt: Math.min(pair.lastAt, Math.floor(now)) });
    }
  }

  /** To be saved when a series begins and when it ends. */
  toState(now: number): LedgerState {
    this.#clean(now);
    return { version: 1, probes: [...this.#probes], pairs: Object.fromEntries(this.#pairs), reserved: this.#reserved };
  }

  /** When a pair may begin its next series: before 3 nothing is to be waited for, then 5, 10 and 20 minutes, after 6 a day. */
  pairFreeAt(name: string, addresses: string): number {
    const pair = this.#pairs.get(name);
    if (!pair || pair.addresses !== addresses || pair.series < FREE_SERIES) return 0;
    return pair.lastAt + (PAUSES[pair.series - FREE_SERIES] ?? DAY);
  }

  seriesOf(name: string, addresses: string): number {
    const pair = this.#pairs.get(name);
    return pair?.addresses === addresses ? pair.series : 0;
  }

  /** Whether a series of so many probes fits now. */
  hasRoom(now: number, probes: number): boolean {
    return (
      this.#within(now, ENTRY_SECONDS) + probes <= MOST_IN_ENTRY_TIME &&
      this.#within(now, HOUR) + probes <= MOST_AN_HOUR
    );
  }

  /** Our ports for a pair: those of its last series while their mappings live, else new ones; undefined: too many mappings live. */
  portsFor(
    now: number,
    name: string,
    addresses: string,
    count: number,
    draw: (count: number) => readonly number[],
  ): readonly number[] | undefined {
    const pair = this.#pairs.get(name);
    const isAlive = ({ portsUntil }: LedgerPair) => portsUntil !== undefined && now < portsUntil;
    if (pair?.ports && pair.addresses === addresses && isAlive(pair) && pair.ports.length === count) return pair.ports;
    let alive = 0;
    for (const other of this.#pairs.values()) if (isAlive(other)) alive += other.ports?.length ?? 0;
    return alive + count <= MOST_MAPPINGS ? draw(count) : undefined;
  }

  /** When a pair's last series began; 0: never. */
  lastAt(name: string): number {
    return this.#pairs.get(name)?.lastAt ?? 0;
  }

  /** A series begins in this slot; it counts from here on, whatever becomes of it. */
  begin(
    slot: number,
    name: string,
    addresses: string,
    o: { readonly ports?: readonly number[]; readonly probes: number },
  ): void {
    const series = this.seriesOf(name, addresses) + 1;
    const ports = o.ports ? { ports: o.ports, portsUntil: slot + SERIES_SECONDS + ENTRY_SECONDS } : {};
    this.#pairs.set(name, { series, lastAt: slot, addresses, ...ports });
    this.#reserved = o.probes;
  }

  /** The series is over: what it did not send is free. */
  end(): void {
    this.#reserved = 0;
  }

  /** Whether one more probe may be sent now; it then counts as sent. */
  probe(now: number): boolean {
    const second = Math.floor(now);
    if ((this.#probes.get(second) ?? 0) >= MOST_A_SECOND || !this.hasRoom(now, 1)) return false;
    this.#count(second, 1);
    this.#reserved = Math.max(0, this.#reserved - 1);
    return true;
  }

  /** The pair is connected: it begins anew if it ever breaks. */
  hit(name: string): void {
    const pair = this.#pairs.get(name);
    if (pair) this.#pairs.set(name, { ...pair, series: 0 });
  }

  #count(second: number, count: number): void {
    this.#probes.set(second, (this.#probes.get(second) ?? 0) + count);
  }

  #within(now: number, seconds: number): number {
    let sum = 0;
    for (const [second, count] of this.#probes) if (second > now - seconds - 1) sum += count;
    return sum;
  }

  #clean(now: number): void {
    for (const second of this.#probes.keys()) if (second <= now - HOUR - 1) this.#probes.delete(second);
    for (const [name, { lastAt }] of this.#pairs) if (now - lastAt > FORGET_SECONDS) this.#pairs.delete(name);
  }
}
