/** A store with a guard around it: deadline, input rules, size limits, order, bounded concurrency, one kind of error. */
import type {
  CallOptions,
  Clock,
  Logger,
  Store,
  StoreRemark,
  StoreTraits,
  StoreWatch,
  StunmeshError,
} from '../api/index.js';
import { raceAbort } from '../api/index.js';
import { createBatch } from './batch.js';
import { type Caller, createCaller, type EndedCall, type StoreCounters } from './call.js';
import { createCircuit, LONGEST_PAUSE_MS, type StoreHealth } from './circuit.js';
import { mapStoreError, oneLine } from './error-mapping.js';
import { createGather } from './gather.js';
import { checkKey, checkResult, checkValue } from './input.js';
import { guardListener } from './watch.js';

/** How long close() waits for the store's own close, in milliseconds (F41: a whole shutdown takes two seconds). */
const CLOSE_MS = 1500;

/** How long a describe that failed is not asked again, in milliseconds. */
const DESCRIBE_AGAIN_MS = 60_000;

/** A Store as the controllers see it: errors are StunmeshErrors that name the store, getMany and setMany are always there. */
export interface GuardedStore extends Store {
  readonly name: string;
  readonly traits: StoreTraits;
  readonly counters: StoreCounters;
  readonly health: StoreHealth;
  /** Several keys that are read in the same moment are one call. */
  readonly readsMany: boolean;
  /** What kept it away may be over: where it is down the next call finds out. */
  wake(): void;
  /** Never rejects: a key that could not be read has its error (F13), an absent one is not in the map. */
  getMany(keys: readonly string[], options: CallOptions): Promise<ReadonlyMap<string, string | StunmeshError>>;
  /** Never rejects: the map holds the failures. */
  setMany(records: ReadonlyMap<string, string>, options: CallOptions): Promise<ReadonlyMap<string, StunmeshError>>;
  /** Aborts what is under way, stops watching, closes the store once. Never rejects. */
  close(): Promise<void>;
}

export interface GuardOptions {
  /** The instance's name in the configuration. */
  readonly name: string;
  readonly store: Store;
  readonly traits: StoreTraits;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a store that is down may be left alone at a time, as things stand now, in milliseconds. Default: 5 minutes. */
  mostPauseMs?(): number;
  /** What a key is in words, for messages; undefined: it is shown itself. */
  describeKey?(key: string): string | undefined;
  /** Called after each call to the store, to measure it. */
  onCall?(call: EndedCall): void;
}

/** Puts the guard around an open store and owns it from then on. */
export function guardStore(options: GuardOptions): GuardedStore {
  const { name, store, clock, logger } = options;
  const label = `store "${name}"`;
  const named = (key: string): string => options.describeKey?.(key) ?? key;
  const mostPauseMs = () => options.mostPauseMs?.() ?? LONGEST_PAUSE_MS;
  const circuit = createCircuit({ name, clock, logger, mostPauseMs, random: Math.random });
  const plain = createCaller({
    label,
    timeoutMs: options.timeoutMs,
    clock,
    circuit,
    maxCalls: options.traits.maxCalls,
    onEnd: (call) => options.onCall?.(call),
  });
  const watches = new Set<AsyncDisposable>();
  let traits = options.traits;
  let closing: Promise<void> | undefined;
  const ended = new AbortController();
  let askAfter = Number.NEGATIVE_INFINITY;

  /** Learns the traits that only the backend knows beside the first call, as opening does no I/O (F32). */
  const learn = async (): Promise<void> => {
    if (!store.describe || ended.signal.aborted || clock.now() < askAfter || circuit.health.state === 'down') return;
    askAfter = Number.POSITIVE_INFINITY;
    try {
      using limit = clock.deadline(options.timeoutMs, ended.signal);
      traits = { ...traits, ...(await raceAbort(store.describe(limit), limit.signal)) };
    } catch {
      // The call beside it says what is wrong.
      askAfter = clock.now() + DESCRIBE_AGAIN_MS;
    }
  };
  const caller: Caller = {
    ...plain,
    call(...call) {
      void learn();
      return plain.call(...call);
    },
  };

  const get = async (key: string, { signal }: CallOptions): Promise<string | undefined> => {
    const doing = `get ${named(checkKey(key, label))}`;
    caller.counters.gets += 1;
    return caller.call(doing, [key], signal, async (o) => checkResult(await store.get(key, o), traits));
  };

  const set = async (key: string, value: string, { signal }: CallOptions): Promise<void> => {
    const doing = `set ${named(checkKey(key, label))}`;
    checkValue(value, traits, `${label}: ${doing}`);
    caller.counters.sets += 1;
    await caller.call(doing, [key], signal, (o) => store.set(key, value, o));
  };

  const watch: NonNullable<Store['watch']> = async (keys, on, { signal }) => {
    for (const key of keys) checkKey(key, label);
    const guard = guardListener(on, { keys, traits, label, logger, news: circuit.news });
    let abandoned = false;
    const opening = async (o: CallOptions) => {
      const opened = await store.watch?.(keys, guard.listener, o);
      if (abandoned) await opened?.[Symbol.asyncDispose]();
      return opened;
    };
    // No keys: a watch waits for nobody's turn, and setting it up counts as no read.
    // A watch that an open circuit kept from starting would be missed when the store is back.
    const inner = await caller.call('watch', [], signal, opening, { apart: true }).catch((error: unknown) => {
      abandoned = true;
      guard.stop();
      throw error;
    });
    const outer: StoreWatch = {
      get incomplete() {
        return foreignText(() => inner?.incomplete);
      },
      async [Symbol.asyncDispose]() {
        guard.stop();
        if (!watches.delete(outer)) return;
        await inner?.[Symbol.asyncDispose]();
      },
    };
    watches.add(outer);
    return outer;
  };

  const describe = async ({ signal }: CallOptions): Promise<Partial<StoreTraits>> => {
    const found = await plain.call('describe', [], signal, async (o) => store.describe?.(o) ?? {}, { apart: true });
    traits = { ...traits, ...found };
    return found;
  };

  const examine = async ({ signal }: CallOptions): Promise<readonly StoreRemark[]> =>
    plain.call('examine', [], signal, async (o) => store.examine?.(o) ?? [], { apart: true });

  const note = (): string | undefined => foreignText(() => store.note?.());

  const remove = async (key: string, { signal }: CallOptions): Promise<void> => {
    const doing = `delete ${named(checkKey(key, label))}`;
    await caller.call(doing, [key], signal, async (o) => store.delete?.(key, o));
  };

  const close = (): Promise<void> => {
    ended.abort();
    closing ??= (async () => {
      caller.close();
      using limit = clock.deadline(CLOSE_MS);
      const closeAll = async () => {
        await Promise.allSettled([...watches].map((opened) => opened[Symbol.asyncDispose]()));
        await store[Symbol.asyncDispose]();
      };
      try {
        await raceAbort(closeAll(), limit.signal);
      } catch (error) {
        logger.warn({ store: name, error: mapStoreError(error, label) }, 'the store did not close cleanly');
      }
    })();
    return closing;
  };

  const batch = createBatch({ named, label, store, caller, get, set, traits: () => traits });
  const getTogether = createGather<undefined, string | undefined>({
    one: (key, _, o) => get(key, o),
    many: (inputs, o) => batch.getMany([...inputs.keys()], o),
    outcome: (entry) => entry as string | undefined,
    check: (key) => void checkKey(key, label),
  });
  const setTogether = createGather<string, void>({
    one: set,
    many: (inputs, o) => batch.setMany(inputs, o),
    outcome: () => undefined,
    check: (key, value) => {
      checkValue(value, traits, `${label}: set ${checkKey(key, label)}`);
    },
  });

  return {
    name,
    get traits() {
      return traits;
    },
    get counters() {
      return { ...caller.counters };
    },
    get health() {
      return circuit.health;
    },
    get readsMany() {
      return store.getMany !== undefined;
    },
    wake: circuit.news,
    get: store.getMany ? (key, o) => getTogether(key, undefined, o) : get,
    set: store.setMany ? setTogether : set,
    ...(store.delete ? { delete: remove } : {}),
    ...batch,
    ...(store.watch ? { watch } : {}),
    ...(store.describe ? { describe } : {}),
    ...(store.examine ? { examine } : {}),
    ...(store.note ? { note } : {}),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** What a module says of itself, as one line without secrets. */
function foreignText(ask: () => unknown): string | undefined {
  try {
    const text = ask();
    return typeof text === 'string' && text !== '' ? oneLine(text) : undefined;
  } catch {
    return undefined;
  }
}
