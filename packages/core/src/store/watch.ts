/** Watching through the guard: what arrives is checked, callbacks never throw into the store and fall silent once disposed. */
import type { Logger, StoreTraits, WatchListener } from '../api/index.js';
import { mapStoreError } from './error-mapping.js';
import { longestValue } from './input.js';

export interface ListenerGuard {
  readonly listener: WatchListener;
  /** No callback is made any more. */
  stop(): void;
}

/** A listener to hand to a store in place of `on`: foreign keys and odd values are dropped, errors are mapped. */
export function guardListener(
  on: WatchListener,
  options: {
    readonly keys: readonly string[];
    readonly traits: StoreTraits;
    readonly label: string;
    readonly logger: Logger;
    /** Called before each change is passed on: the store lives. */
    news?(): void;
  },
): ListenerGuard {
  const keys = new Set(options.keys);
  let stopped = false;

  const callBack = (run: () => void): void => {
    if (stopped) return;
    try {
      run();
    } catch (error) {
      options.logger.error({ error: mapStoreError(error, `${options.label}: listener`) }, 'a store listener failed');
    }
  };

  return {
    listener: {
      change(key, value) {
        if (!keys.has(key)) return;
        if (!stopped) options.news?.();
        const fits = typeof value === 'string' && value.length <= longestValue(options.traits);
        callBack(() => (fits ? on.change(key, value) : on.change(key)));
      },
      fault(error) {
        callBack(() => on.fault(mapStoreError(error, `${options.label}: watch`)));
      },
    },
    stop() {
      stopped = true;
    },
  };
}
