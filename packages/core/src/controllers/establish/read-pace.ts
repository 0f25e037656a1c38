/** How often an absent peer's record is read where no watch tells of it; pure. */
import type { StoreTraits } from '../../api/index.js';
import { backoff } from '../../runtime/backoff.js';

/** About every second at first, slower the longer it takes (F23). */
const READ_GAP_MS = 1_000;
const MOST_READ_GAP_MS = 15_000;
/** What a read may cost of the time when many are looked for: a hundred a second where several are one call, fifty where each is a call,
 * ten where a store takes one call at a time, as it starts a process for each. */
const BATCHED_MS = 10;
const SINGLE_MS = 20;
const ONE_BY_ONE_MS = 100;
/** Readings of a crowd are spread over this share of their pace, so that it is not all read in the same moment again and again; where
 * several keys are one call, in lots of so many. */
const SPREAD = 0.5;
const LOT = 250;
/** So many peers are read by a store's own schedule (F66). */
const SCHEDULED_PEERS = 3;

export interface ReadPace {
  readonly traits: StoreTraits;
  /** Several keys that are read in the same moment are one call. */
  readonly readsMany: boolean;
  /** How many peers are looked for by polling this store. */
  readonly polled: number;
  /** All are read at each refresh: a slower pace than that means none. */
  readonly refreshIntervalMs: number;
}

/** When a peer is read again that is read every `gapMs`, monotonic milliseconds. `random`: in [0, 1). */
export function nextReadAt(pace: ReadPace, gapMs: number, now: number, random: number): number {
  return isSpread(pace) ? inLots(pace, gapMs, now + gapMs * (1 - SPREAD / 2 + SPREAD * random)) : now + gapMs;
}

/** When one of many is read first, of whom each is read every `gapMs` from now on: a few at once. */
export function firstReadAt(pace: ReadPace, gapMs: number, now: number, random: number): number {
  return isSpread(pace) ? inLots(pace, gapMs, now + gapMs * random) : now;
}

/** Moments of their own cost nothing where each key is a call anyway. */
function isSpread(pace: ReadPace): boolean {
  return isCrowd(pace) && (!pace.readsMany || pace.polled >= 2 * LOT);
}

function inLots({ readsMany, polled }: ReadPace, gapMs: number, at: number): number {
  const lotMs = gapMs / Math.floor(polled / LOT);
  return readsMany ? Math.ceil(at / lotMs) * lotMs : at;
}

/** So many that each is read less often than one by itself would be. */
function isCrowd(pace: ReadPace): boolean {
  return pace.traits.pollSchedule === undefined && crowdGapMs(pace) > crowdGapMs({ ...pace, polled: 0 });
}

/** Milliseconds between two readings of each of many. */
function crowdGapMs({ traits, readsMany, polled, refreshIntervalMs }: ReadPace): number {
  const eachMs = readsMany ? BATCHED_MS : traits.maxCalls === 1 ? ONE_BY_ONE_MS : SINGLE_MS;
  return Math.max(traits.minPollMs, READ_GAP_MS, Math.min(polled * eachMs, refreshIntervalMs));
}

/** Milliseconds until a peer is read again that has been looked for for `ageMs`; undefined: it is not looked for. */
export function readGapMs(pace: ReadPace, ageMs: number | undefined): number {
  const { minPollMs, pollSchedule } = pace.traits;
  if (pollSchedule) {
    const step = ageMs === undefined ? undefined : pollSchedule.find(({ untilMs }) => ageMs < untilMs);
    // A schedule is made for few: with more peers each is read as much less often.
    return (step?.everyMs ?? minPollMs) * Math.max(1, pace.polled / SCHEDULED_PEERS);
  }
  return Math.max(crowdGapMs(pace), backoff(ageMs ?? 0, READ_GAP_MS, MOST_READ_GAP_MS));
}
