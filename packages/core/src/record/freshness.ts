/** Which record is newer: the sender's clock-and-counter, and the receiver's floor (F21). */

/** Seconds since 1970 at which this code was written: a clock before it is not set yet. */
const BUILT_AT = Date.UTC(2026, 10, 1) / 1000;
const HOUR = 3600;
const WEEK = 7 * 24 * HOUR;

/** True when the wall clock can be believed. */
export function saneClock(nowSeconds: number): boolean {
  return nowSeconds >= BUILT_AT;
}

/** The `t` of the next record: never backwards, even on a router that boots in 1970 or lost its state. Seconds since 1970. */
export function nextTime(nowSeconds: number, last: number | undefined, stored?: number): number {
  return Math.max(Math.floor(nowSeconds), (last ?? -1) + 1, (stored ?? -1) + 1);
}

/** A `t` of ours as a store or a state file tells it: a clock may have been set back by days, all beyond that is forged (F78). */
export function clampOwnTime(t: number, nowSeconds: number): number {
  return saneClock(nowSeconds) ? Math.min(t, Math.floor(nowSeconds) + WEEK) : t;
}

/** A floor or a `t` as far as it is believed: a sender with a clock in the far future must not lock its own later records out. */
export function clampTime(t: number, nowSeconds: number): number {
  return saneClock(nowSeconds) ? Math.min(t, Math.floor(nowSeconds) + HOUR) : t;
}

export type Freshness = 'new' | 'old';

/** Whether a record counts at once ('new': nothing newer has proved itself) or only when nothing else helps ('old'). */
export function freshness(t: number | undefined, floor: number | undefined, nowSeconds: number): Freshness {
  if (floor === undefined) return 'new';
  if (t === undefined) return 'old';
  return clampTime(t, nowSeconds) >= clampTime(floor, nowSeconds) ? 'new' : 'old';
}
