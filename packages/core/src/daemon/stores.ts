/** The stores that a daemon's peers use: opened together, replaced by a reload, and left alone while they are down as long as their peers can bear. */
import { isDeepStrictEqual } from 'node:util';
import type { Config, LoadedConfig } from '../config/index.js';
import type { PluginHost } from '../host/plugin-host.js';
import { type DeviceEntry, isUnsettled } from '../peers/peer-table.js';
import { backoff } from '../runtime/backoff.js';
import { createRollback } from '../runtime/rollback.js';
import type { GuardedStore } from '../store/guarded-store.js';

/** While a peer is not connected: about as often as this one peer would be read, however many others there are (F23). */
const UNSETTLED_MS = 2_000;
const MOST_UNSETTLED_MS = 15_000;
const SETTLED_MS = 5 * 60_000;
/** Every answer walks all peers: it holds for so long. */
const PAUSE_LOOK_MS = 1_000;

export interface StoresOptions {
  /** For stores of this configuration. */
  host(loaded: LoadedConfig): PluginHost;
  onCloseError(error: unknown): void;
}

export interface Stores extends AsyncDisposable {
  readonly open: ReadonlyMap<string, GuardedStore>;
  /** Opens what the configuration needs beyond what is open, and nothing else changes. Rejects, and leaves nothing open, when one cannot
   * be opened. */
  prepare(loaded: LoadedConfig, before?: Config): Promise<PreparedStores>;
}

export interface PreparedStores {
  /** Names of those that are new, or whose settings changed. */
  readonly names: ReadonlySet<string>;
  /** Takes them into use. The result closes those that nobody uses any more. */
  commit(): () => Promise<void>;
}

export function createStores(options: StoresOptions): Stores {
  const open = new Map<string, GuardedStore>();
  return {
    open,
    async prepare(loaded, before) {
      const { plugins } = loaded.config;
      const used = usedPlugins(loaded.config);
      await using opened = createRollback(options.onCloseError);
      const host = options.host(loaded);
      const fresh = new Map<string, GuardedStore>();
      for (const name of used) {
        const plugin = plugins.get(name);
        if (!plugin || (open.has(name) && isDeepStrictEqual(before?.plugins.get(name), plugin))) continue;
        const store = await host.openStore(plugin);
        opened.defer(() => store.close());
        fresh.set(name, store);
      }
      opened.keep();
      return {
        names: new Set(fresh.keys()),
        commit() {
          const obsolete = [...open].filter(([name]) => fresh.has(name) || !used.has(name));
          for (const [name] of obsolete) open.delete(name);
          for (const [name, store] of fresh) open.set(name, store);
          return async () => {
            for (const [, store] of obsolete) await store.close();
          };
        },
      };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...open.values()].map((store) => store.close()));
    },
  };
}

/** Names of the plugins that some peer uses; what nobody uses is not loaded. */
function usedPlugins(config: Config): ReadonlySet<string> {
  return new Set([...config.interfaces.values()].flatMap((i) => [...i.peers.values()].flatMap((p) => p.plugins)));
}

export interface StorePauseOptions {
  readonly devices: Iterable<DeviceEntry>;
  readonly store: string;
  readonly refreshIntervalMs: number;
  /** Monotonic milliseconds. */
  readonly now: number;
}

/** How long a store that is down may be left alone at a time, by what its peers need of it, in milliseconds; pure. */
export function storePauseMs(o: StorePauseOptions): number {
  const peers = [...o.devices].flatMap((device) => device.peers);
  const lacking = peers.filter((peer) => peer.config.plugins.includes(o.store) && isUnsettled(peer));
  if (lacking.length === 0) return Math.min(SETTLED_MS, o.refreshIntervalMs);
  const youngest = Math.max(...lacking.map((peer) => peer.unconnectedSince));
  return backoff(o.now - youngest, UNSETTLED_MS, MOST_UNSETTLED_MS);
}

/** The same, asked at each call that is refused and computed once a second. */
export function cachedStorePause(ask: () => Omit<StorePauseOptions, 'store'>): (store: string) => number {
  const known = new Map<string, { readonly at: number; readonly ms: number }>();
  return (store) => {
    const options = ask();
    const last = known.get(store);
    if (last && options.now - last.at < PAUSE_LOOK_MS) return last.ms;
    const ms = storePauseMs({ ...options, store });
    known.set(store, { at: options.now, ms });
    return ms;
  };
}
