/** When checks of one path are due: a list of times after a beginning. Milliseconds. */

/** After a new record, news of the network or a failed probe. */
export const ROUND = [0, 100, 300, 700, 1_500, 3_000, 5_000, 7_000, 9_000];
export const ROUND_MS = 10_000;
/** A new acknowledgement in a silence. */
export const BURST = [0, 100, 300];
/** Before a common slot our NAT is opened. */
export const OPENING_MS = 10_000;
const FEW = 2;
/** Every half second; with many candidates more seldom, or the budget of a minute would be spent before the slot. */
export function opening(candidates: number): readonly number[] {
  const stepMs = candidates <= FEW ? 500 : 500 * candidates;
  return Array.from({ length: Math.ceil(OPENING_MS / stepMs) }, (_, i) => stepMs * i);
}
export const SLOT_MS = 8_000;
export const SLOT = [0, 100, 300, 700, 1_500, 3_000, 5_000, 7_000];
/** Entries of routers die within it. */
export const SILENCE_MS = 32_000;
/** While connected, from the beginning of each minute: the first ones open, the last ones are heard by a peer that opened too. */
export const BETTER = [0, 500, 1_000, 2_000, 3_000];
export const BETTER_FULL_FROM_MS = 2_000;
export const BETTER_PERIOD_MS = 60_000;
/** A valid path on which WireGuard has not met yet stays open. */
const KEEP_MS = 5_000;

export class Schedule {
  #times: readonly number[] = [];
  #from = 0;
  #next = 0;
  #repeatMs: number | undefined;

  begin(now: number, times: readonly number[]): void {
    this.#times = times;
    this.#from = now;
    this.#next = 0;
    this.#repeatMs = undefined;
  }

  /** Every five seconds until something else begins. */
  keep(now: number): void {
    this.begin(now + KEEP_MS, [0]);
    this.#repeatMs = KEEP_MS;
  }

  get keeps(): boolean {
    return this.#repeatMs !== undefined;
  }

  end(): void {
    this.begin(0, []);
  }

  /** When the next one is due; undefined: none is. */
  get dueAt(): number | undefined {
    const after = this.#times[this.#next];
    return after === undefined ? undefined : this.#from + after;
  }

  runs(times: readonly number[]): boolean {
    return this.#times === times;
  }

  /** How long ago it began. */
  age(now: number): number {
    return now - this.#from;
  }

  /** Whether one is due; those that were missed meanwhile are not made up for. */
  take(now: number): boolean {
    if (this.dueAt === undefined || this.dueAt > now) return false;
    while (this.dueAt !== undefined && this.dueAt <= now) this.#next += 1;
    if (this.#repeatMs !== undefined) this.keep(now);
    return true;
  }
}
