/** Who listens to which keys of a session plugin, and what its events mean to them. */
import { StunmeshError, type WatchListener } from '@stunmesh/core/api';
import { type Message, reportedError } from './messages.js';

export interface Watchers {
  /** All keys that somebody listens to. */
  keys(): string[];
  readonly size: number;
  /** How many listeners there are, each key counted for itself. */
  readonly keyCount: number;
  /** Returns what takes it back. */
  add(keys: readonly string[], on: WatchListener): () => void;
  /** An event of the plugin. What is none that is known is ignored. */
  event(message: Message): void;
  /** Nobody told anything for a while: whatever is watched may have changed. */
  missed(): void;
  fault(error: StunmeshError): void;
}

interface Watcher {
  readonly keys: ReadonlySet<string>;
  readonly on: WatchListener;
}

export function createWatchers(): Watchers {
  const watchers = new Set<Watcher>();
  let keyCount = 0;

  const fault = (error: StunmeshError): void => {
    for (const { on } of [...watchers]) on.fault(error);
  };

  const change = (key: string, value: string | undefined): void => {
    for (const { keys, on } of [...watchers]) {
      if (!keys.has(key)) continue;
      if (value === undefined) on.change(key);
      else on.change(key, value);
    }
  };

  return {
    keys: () => [...new Set([...watchers].flatMap(({ keys }) => [...keys]))],
    get size() {
      return watchers.size;
    },
    get keyCount() {
      return keyCount;
    },
    add(keys, on) {
      const watcher: Watcher = { keys: new Set(keys), on };
      watchers.add(watcher);
      keyCount += watcher.keys.size;
      return () => {
        if (watchers.delete(watcher)) keyCount -= watcher.keys.size;
      };
    },
    event(message) {
      const { event, key, value } = message;
      if (event === 'change' && typeof key === 'string')
        change(key, typeof value === 'string' && value !== '' ? value : undefined);
      if (event === 'fault') {
        const { code, message: text, retryAfterMs } = reportedError(message);
        fault(
          new StunmeshError(code, text, { retry: 'later', ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }),
        );
      }
    },
    missed() {
      for (const { keys, on } of [...watchers]) for (const key of keys) on.change(key);
    },
    fault,
  };
}
