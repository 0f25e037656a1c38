/** Reads records by the API: a listing serves every key that is asked for within a second, so calls do not grow with peers (F36). */
import type { Clock, StunmeshError } from '@stunmesh/core/api';
import { createGather, type Gather, resultOf } from './gather.js';
import { isValue, parseContent } from './names.js';
import type { TxtRecord, ZoneApi } from './zone-api.js';

/** A refresh asks for its keys within a few milliseconds. */
const WINDOW_MS = 20;
/** Keys that were asked for within this time are likely to be asked for again, each at a moment of its own. */
const RECENT_MS = 10_000;
/** How old a listing may be that is still served; well below what a peer's next read is apart. */
const FRESH_MS = 1_000;

export interface Reader extends Disposable {
  get(key: string, signal: AbortSignal): Promise<string | undefined>;
  getMany(keys: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, string | StunmeshError>>;
  /** Something was written: what was read before is of no use. */
  forget(): void;
}

export function createApiReader({ api, clock }: { readonly api: ZoneApi; readonly clock: Clock }): Reader {
  let listing: { readonly values: ReadonlyMap<string, string>; readonly takenAt: number } | undefined;
  let generation = 0;
  const askedAt = new Map<string, number>();

  /** The only key that anybody asked for lately; undefined when there are several. */
  const onlyKey = (keys: Iterable<string>): string | undefined => {
    const now = clock.now();
    for (const key of keys) askedAt.set(key, now);
    for (const [key, at] of askedAt) if (now - at > RECENT_MS) askedAt.delete(key);
    return askedAt.size === 1 ? [...askedAt.keys()][0] : undefined;
  };

  const fresh = (): ReadonlyMap<string, string> | undefined =>
    listing && clock.now() - listing.takenAt < FRESH_MS ? listing.values : undefined;

  const gather: Gather<undefined, string> = createGather({
    clock,
    windowMs: WINDOW_MS,
    async run(entries, signal) {
      const known = fresh();
      if (known) return known;
      const only = onlyKey(entries.keys());
      const began = { generation, takenAt: clock.now() };
      const values = pickValues(await api.list(only, signal));
      // One key's records alone are no listing; neither is one that a write overtook.
      if (only === undefined && began.generation === generation) listing = { values, takenAt: began.takenAt };
      return values;
    },
  });

  const read = async (keys: readonly string[], signal: AbortSignal) => {
    signal.throwIfAborted();
    return fresh() ?? (await gather.call(new Map(keys.map((key) => [key, undefined])), signal));
  };

  return {
    get: async (key, signal) => resultOf(await read([key], signal), key),
    async getMany(keys, signal) {
      if (keys.length === 0) return new Map();
      const results = await read(keys, signal);
      return new Map(
        keys.flatMap((key) => {
          const result = results.get(key);
          return result === undefined ? [] : [[key, result] as const];
        }),
      );
    },
    forget() {
      generation += 1;
      listing = undefined;
    },
    [Symbol.dispose]: () => gather[Symbol.dispose](),
  };
}

/** One value for each key. Of several records the one that was changed last: another program may have changed another than the first. */
export function pickValues(records: readonly TxtRecord[]): Map<string, string> {
  const best = new Map<string, { readonly value: string; readonly rank: string }>();
  for (const { key, content, modifiedOn } of records) {
    const value = parseContent(content);
    // A text that is no value loses against every one that is; alone it is handed on, so that somebody looks at it.
    const rank = (isValue(value) ? '1' : '0') + modifiedOn;
    const known = best.get(key);
    if (!known || rank > known.rank) best.set(key, { value, rank });
  }
  return new Map([...best].map(([key, { value }]) => [key, value]));
}
