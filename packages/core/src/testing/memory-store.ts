/** A store in memory, for tests of core and as the plainest example of what a store does. */
import { type CallOptions, type Store, type StoreModule, StunmeshError, type WatchListener } from '../api/index.js';

export interface MemoryStore extends Store {
  /** What is stored; tests may look and change. */
  readonly records: Map<string, string>;
  /** Set to make every call reject with it; undefined: the store works. */
  failure: Error | undefined;
  delete(key: string, options: CallOptions): Promise<void>;
  watch(keys: readonly string[], on: WatchListener, options: CallOptions): Promise<AsyncDisposable>;
}

/** A store over `records`, which several instances may share as machines share a backend. `watchers` likewise. */
export function createMemoryStore(
  records = new Map<string, string>(),
  watchers = new Set<{ readonly keys: ReadonlySet<string>; readonly on: WatchListener }>(),
): MemoryStore {
  const own = new Set<AsyncDisposable>();
  let closed = false;

  const begin = async ({ signal }: CallOptions): Promise<void> => {
    if (closed) throw new StunmeshError('ERR_CLOSED', 'the store is closed');
    signal.throwIfAborted();
    if (store.failure) throw store.failure;
  };
  const changed = (key: string, value?: string): void => {
    for (const { keys, on } of watchers) {
      if (keys.has(key)) queueMicrotask(() => (value === undefined ? on.change(key) : on.change(key, value)));
    }
  };

  const store: MemoryStore = {
    records,
    failure: undefined,
    async get(key, options) {
      await begin(options);
      return records.get(key);
    },
    async set(key, value, options) {
      await begin(options);
      records.set(key, value);
      changed(key, value);
    },
    async delete(key, options) {
      await begin(options);
      if (records.delete(key)) changed(key);
    },
    async watch(keys, on, options) {
      await begin(options);
      const watcher = { keys: new Set(keys), on };
      watchers.add(watcher);
      const disposable = {
        async [Symbol.asyncDispose]() {
          watchers.delete(watcher);
          own.delete(disposable);
        },
      };
      own.add(disposable);
      return disposable;
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      for (const watch of own) await watch[Symbol.asyncDispose]();
    },
  };
  return store;
}

/** The same as a module, for tests of the host: all its instances share one set of records. */
export function createMemoryStoreModule(records = new Map<string, string>()): StoreModule<Record<string, never>> {
  const watchers: Parameters<typeof createMemoryStore>[1] = new Set();
  return {
    kind: 'store',
    apiVersion: 1,
    name: 'memory',
    configSchema: { type: 'object', additionalProperties: false, properties: {} },
    traits: () => ({ maxValueBytes: 65_536, minPollMs: 500 }),
    open: async () => createMemoryStore(records, watchers),
  };
}
