/** A store in memory, for tests of core and as the plainest example of what a store does. */
import { createHash } from 'node:crypto';
import {
  type CallOptions,
  type DatagramPort,
  type Store,
  type StoreComponents,
  type StoreModule,
  type StoreWatch,
  StunmeshError,
  type WatchListener,
} from '../api/index.js';

export interface MemoryStore extends Store {
  /** What is stored; tests may look and change. */
  readonly records: Map<string, string>;
  /** Set to make every call reject with it; undefined: the store works. */
  failure: Error | undefined;
  /** True: watches stand and tell of nothing. */
  silent: boolean;
  /** What watches say of being incomplete. */
  incomplete: string | undefined;
  /** Tells all watches of this instance that watching suffered. */
  loseWatches(error: StunmeshError): void;
  delete(key: string, options: CallOptions): Promise<void>;
  watch(keys: readonly string[], on: WatchListener, options: CallOptions): Promise<StoreWatch>;
}

interface Watcher {
  /** The keys by the names of their records. */
  readonly keys: ReadonlyMap<string, string>;
  readonly on: WatchListener;
  isSilent(): boolean;
}

/** Where the datagrams go: nobody has to be there. */
const BACKEND = { family: 4, address: '127.0.0.1', port: 9 } as const;

/** A store over `records`, which several instances may share as machines share a backend. `watchers` likewise. With `secretFor` a record
 * lies under a name that follows from the secret of its key, with `openDatagrams` each call sends one, as a store over UDP would. */
export function createMemoryStore(
  records = new Map<string, string>(),
  watchers = new Set<Watcher>(),
  components: Pick<StoreComponents, 'secretFor' | 'openDatagrams'> = {},
): MemoryStore {
  const own = new Set<StoreWatch & { readonly watcher: Watcher }>();
  let socket: Promise<DatagramPort> | undefined;
  let closed = false;

  const openSocket = (): Promise<DatagramPort> | undefined => {
    socket ??= components.openDatagrams?.({ family: 4, onMessage: () => {}, onFault: () => void closeSocket() });
    socket?.catch(() => {
      socket = undefined;
    });
    return socket;
  };
  const closeSocket = async (): Promise<void> => {
    const open = socket;
    socket = undefined;
    await (await open?.catch(() => undefined))?.[Symbol.asyncDispose]();
  };
  const begin = async ({ signal }: CallOptions): Promise<void> => {
    if (closed) throw new StunmeshError('ERR_CLOSED', 'the store is closed');
    signal.throwIfAborted();
    if (store.failure) throw store.failure;
    if (components.openDatagrams) await (await openSocket())?.send(Uint8Array.of(0), BACKEND);
  };
  const nameOf = (key: string): string => {
    const secret = components.secretFor?.(key);
    return secret ? createHash('sha1').update(key).update(secret).digest('hex') : key;
  };
  const changed = (name: string, value?: string): void => {
    for (const { keys, on, isSilent } of watchers) {
      const key = keys.get(name);
      if (key !== undefined && !isSilent())
        queueMicrotask(() => (value === undefined ? on.change(key) : on.change(key, value)));
    }
  };

  const store: MemoryStore = {
    records,
    failure: undefined,
    silent: false,
    incomplete: undefined,
    loseWatches(error) {
      for (const { watcher } of own) watcher.on.fault(error);
    },
    async get(key, options) {
      await begin(options);
      return records.get(nameOf(key));
    },
    async set(key, value, options) {
      await begin(options);
      records.set(nameOf(key), value);
      changed(nameOf(key), value);
    },
    async delete(key, options) {
      await begin(options);
      if (records.delete(nameOf(key))) changed(nameOf(key));
    },
    async watch(keys, on, options) {
      await begin(options);
      const watcher = { keys: new Map(keys.map((key) => [nameOf(key), key])), on, isSilent: () => store.silent };
      watchers.add(watcher);
      const disposable = {
        watcher,
        get incomplete() {
          return store.incomplete;
        },
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
      await closeSocket();
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
