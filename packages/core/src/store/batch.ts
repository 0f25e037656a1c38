/** getMany and setMany for every store: its own where it has them, its get and set otherwise; a key's failure stays its own (F13). */
import { type CallOptions, isStunmeshError, type Store, type StoreTraits, StunmeshError } from '../api/index.js';
import type { Caller } from './call.js';
import { mapStoreError } from './error-mapping.js';
import { checkKey, checkResult, checkValue } from './input.js';

export interface BatchOptions {
  readonly label: string;
  /** A key in messages. */
  named(key: string): string;
  readonly store: Store;
  readonly caller: Caller;
  /** The guarded calls for one key. */
  readonly get: Store['get'];
  readonly set: Store['set'];
  traits(): StoreTraits;
}

export interface Batch {
  getMany(keys: readonly string[], options: CallOptions): Promise<ReadonlyMap<string, string | StunmeshError>>;
  setMany(records: ReadonlyMap<string, string>, options: CallOptions): Promise<ReadonlyMap<string, StunmeshError>>;
}

export function createBatch({ label, named, store, caller, get, set, traits }: BatchOptions): Batch {
  const asError = (error: unknown): StunmeshError => (isStunmeshError(error) ? error : mapStoreError(error, label));

  /** Sorts keys into those that pass `check` and, in `refused`, the errors of the others. */
  function admit(keys: Iterable<string>, check: (key: string) => void) {
    const good: string[] = [];
    const refused = new Map<string, StunmeshError>();
    for (const key of new Set(keys)) {
      try {
        check(key);
        good.push(key);
      } catch (error) {
        refused.set(key, asError(error));
      }
    }
    return { good, refused };
  }

  /** One call for all keys: what `check` makes of each key's answer, or its error. */
  async function together<T>(
    doing: 'get' | 'set',
    keys: readonly string[],
    signal: AbortSignal,
    work: (options: CallOptions) => Promise<ReadonlyMap<string, unknown>>,
    check: (answer: unknown) => T,
  ): Promise<[string, T | StunmeshError][]> {
    if (keys.length === 0) return [];
    let answers: ReadonlyMap<string, unknown>;
    try {
      const asked = async (o: CallOptions) => {
        const map = await work(o);
        if (typeof map?.get === 'function') return map;
        throw new StunmeshError('ERR_STORE_INTERNAL', 'the module answered something that is no Map');
      };
      const judge = (map: ReadonlyMap<string, unknown>) => commonFailure(keys.map((key) => map.get(key)));
      answers = await caller.call(`${doing} of ${keys.length} keys`, keys, signal, asked, { judge });
    } catch (error) {
      return keys.map((key) => [key, asError(error)]);
    }
    return keys.map((key) => {
      try {
        const answer = answers.get(key);
        if (answer instanceof Error) throw answer;
        return [key, check(answer)];
      } catch (error) {
        const mapped = mapStoreError(error, `${label}: ${doing} ${named(key)}`);
        caller.failed(mapped);
        return [key, mapped];
      }
    });
  }

  /** A call for each key. */
  const apart = <T>(
    keys: readonly string[],
    one: (key: string) => Promise<T>,
  ): Promise<[string, T | StunmeshError][]> =>
    Promise.all(keys.map(async (key) => [key, await one(key).catch(asError)]));

  return {
    async getMany(keys, options) {
      const { good, refused } = admit(keys, (key) => checkKey(key, label));
      const native = store.getMany?.bind(store);
      if (native) caller.counters.gets += good.length;
      const found = native
        ? await together(
            'get',
            good,
            options.signal,
            (o) => native(good, o),
            (answer) => checkResult(answer, traits()),
          )
        : await apart(good, (key) => get(key, options));
      return new Map([...refused, ...present(found)]);
    },

    async setMany(records, options) {
      const value = (key: string): string => records.get(key) ?? '';
      const { good, refused } = admit(records.keys(), (key) => {
        checkKey(key, label);
        checkValue(value(key), traits(), `${label}: set ${named(key)}`);
      });
      const native = store.setMany?.bind(store);
      const batch = new Map(good.map((key) => [key, value(key)]));
      if (native) caller.counters.sets += good.length;
      const failures = native
        ? await together(
            'set',
            good,
            options.signal,
            (o) => native(batch, o),
            () => undefined,
          )
        : await apart(good, async (key) => {
            await set(key, value(key), options);
            return undefined;
          });
      return new Map([...refused, ...present(failures)]);
    },
  };
}

/** A failure that every key has: the back end's own rather than theirs. */
function commonFailure(answers: readonly unknown[]): StunmeshError | undefined {
  const [first] = answers;
  return isStunmeshError(first) && answers.every(isStunmeshError) ? first : undefined;
}

/** The entries that have something in them. */
function present<T>(entries: readonly [string, T | undefined][]): [string, T][] {
  return entries.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]]));
}
