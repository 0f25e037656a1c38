/** Which part of the rounds an unsettled pair is in: a round, a silence, or a common slot with the opening before it (rule F43). */
import type { Times } from './acknowledgements.js';
import { OPENING_MS, ROUND_MS, SILENCE_MS, SLOT_MS } from './schedule.js';
import { slotFrom } from './slots.js';

const SHORT_PERIOD_S = 60;
/** Outlasts entries of routers that live 120 and 180 s. */
const LONG_PERIOD_S = 300;
const LONG_AFTER_MS = 300_000;
/** Whoever wakes later than this before a slot leaves it out. */
const LATEST_OPENING_MS = 1_000;

/** round: checks at falling rate, low but for what is proven open. silence: nothing at all. opening: low, before a common slot.
 * slot: full, since the peer's silence and opening were at the same times. */
export type Phase = 'round' | 'silence' | 'opening' | 'slot';

export class Phases {
  readonly #pair: { readonly seed: number };
  #phase: Phase = 'round';
  /** When the phase ends, by the monotonic clock; of a silence: when to look again. */
  #until = Number.NEGATIVE_INFINITY;
  #unsettledSince = 0;
  #slots = 0;

  /** `seed` is the pair's searchSeed, asked for when it is first needed. */
  constructor(pair: { readonly seed: number }) {
    this.#pair = pair;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** How many common slots have come since the pair became unsettled, the present one included. */
  get slots(): number {
    return this.#slots;
  }

  /** When move() has to be called again. */
  get until(): number {
    return this.#until;
  }

  /** The pair became unsettled. */
  begin(now: number): void {
    this.#unsettledSince = now;
    this.#slots = 0;
    this.round(now);
  }

  /** Something is new: a record with another `t`, ours or the peer's, or news of the network. */
  round(now: number): void {
    this.#phase = 'round';
    this.#until = now + ROUND_MS;
  }

  /** The next phase where its time has come; undefined: the present one goes on. `lastSentAt` is when the last packet of ours went
   * to the peer. */
  move(at: Times, lastSentAt: number): Phase | undefined {
    if (at.now < this.#until) return undefined;
    const before = this.#phase;
    if (before === 'opening') this.#enter('slot', this.#until + SLOT_MS);
    else if (before === 'slot' || before === 'round') this.#enter('silence', at.now);
    if (this.#phase === 'slot' && at.now >= this.#until) this.#enter('silence', at.now);
    if (this.#phase === 'silence') this.#leaveSilence(at, lastSentAt);
    return this.#phase === before ? undefined : this.#phase;
  }

  #leaveSilence({ now, wall }: Times, lastSentAt: number): void {
    const period = now - this.#unsettledSince < LONG_AFTER_MS ? SHORT_PERIOD_S : LONG_PERIOD_S;
    const toSlot = slotFrom(wall, this.#pair.seed, period) - wall;
    const toOpening = toSlot - OPENING_MS;
    const wasSilent = now + toOpening - lastSentAt >= SILENCE_MS;
    if (toOpening <= 0 && toSlot >= LATEST_OPENING_MS && wasSilent) this.#enter('opening', now + toSlot);
    else this.#until = now + (toOpening > 0 ? toOpening : toSlot + 1);
  }

  #enter(phase: Phase, until: number): void {
    if (phase === 'slot') this.#slots += 1;
    this.#phase = phase;
    this.#until = until;
  }
}
