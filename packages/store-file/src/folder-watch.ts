/** Watches one folder for many listeners with a single fs.watch, and comes back when the folder was removed and made again. */
import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Clock, Logger, WatchListener } from '@stunmesh/core/api';
import { folderError } from './folder-error.js';

/** Names of records; everything else in the folder is of no interest. */
const KEY = /^[0-9a-f]{40}$/;
/** Events within this time are one: a writer that is not atomic makes several. */
const GATHER_MS = 20;
/** How often a missing folder is looked for, and a watched one compared, in milliseconds. */
const LOOK_MS = 1000;
const COMPARE_MS = 10_000;

interface Subscription {
  readonly keys: ReadonlySet<string>;
  readonly on: WatchListener;
}

export interface FolderWatch extends AsyncDisposable {
  /** Watches these names until the result is disposed. */
  add(keys: readonly string[], on: WatchListener): AsyncDisposable;
}

export function createFolderWatch(options: {
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
}): FolderWatch {
  const { path, clock, logger } = options;
  const self = basename(path);
  const subscriptions = new Set<Subscription>();
  const changed = new Set<string>();
  let gathering = false;
  let running: { readonly stop: AbortController; readonly over: Promise<void> } | undefined;

  const tellAll = (tell: (subscription: Subscription) => void): void => {
    for (const subscription of [...subscriptions]) tell(subscription);
  };

  const flush = (): void => {
    const names = [...changed];
    changed.clear();
    tellAll(({ keys, on }) => {
      for (const name of names) if (keys.has(name)) on.change(name);
    });
  };

  const gather = async (name: string, signal: AbortSignal): Promise<void> => {
    changed.add(name);
    if (gathering) return;
    gathering = true;
    try {
      await clock.sleep(GATHER_MS, signal);
      flush();
    } catch {
      changed.clear();
    } finally {
      gathering = false;
    }
  };

  /** One life of a watcher: resolves when the folder is no longer the one that is watched. */
  async function watchOnce(signal: AbortSignal): Promise<void> {
    const before = await stat(path);
    if (!before.isDirectory()) throw Object.assign(new Error('not a folder'), { code: 'ENOTDIR' });
    // What fs.watch reports goes on here; `look` wakes the comparison below before its time.
    let look = new AbortController();
    let failure: unknown;
    let gone = false;
    const watcher: FSWatcher = watch(path, (_event, name) => {
      if (name !== null && KEY.test(name)) void gather(name, signal);
      // News of the folder itself: it was moved or removed, after which inotify falls silent; or kqueue, which names no files.
      else if (name === null || name === self) {
        gone = true;
        look.abort();
      }
    });
    watcher.on('error', (error) => {
      failure = error;
      look.abort();
    });
    const stop = () => look.abort();
    signal.addEventListener('abort', stop, { once: true });
    try {
      // Whatever happened while nobody watched.
      for (const { keys } of subscriptions) for (const key of keys) changed.add(key);
      flush();
      while (!signal.aborted) {
        await clock.sleep(COMPARE_MS, look.signal).catch(() => {});
        if (failure !== undefined) throw failure;
        if (gone) return;
        look = new AbortController();
        const now = await stat(path);
        // The number alone proves nothing: file systems give it to the next folder.
        if (now.ino !== before.ino || now.dev !== before.dev || now.birthtimeMs !== before.birthtimeMs) return;
      }
    } finally {
      signal.removeEventListener('abort', stop);
      watcher.close();
    }
  }

  async function run(signal: AbortSignal): Promise<void> {
    let reported: string | undefined;
    while (!signal.aborted) {
      try {
        await watchOnce(signal);
        reported = undefined;
        await clock.sleep(GATHER_MS, signal).catch(() => {});
        continue;
      } catch (error) {
        const fault = folderError(error, path);
        const errno = String(fault.details['errno']);
        // A folder that is not there yet is no fault: the first write makes it. Each other fault is told once.
        if (errno !== 'ENOENT' && errno !== reported) {
          reported = errno;
          logger.warn({ path, error: fault }, 'the folder cannot be watched, polling goes on');
          tellAll(({ on }) => on.fault(fault));
        }
      }
      await clock.sleep(LOOK_MS, signal).catch(() => {});
    }
  }

  async function stop(): Promise<void> {
    const last = running;
    running = undefined;
    last?.stop.abort();
    await last?.over;
  }

  return {
    add(keys, on) {
      const subscription = { keys: new Set(keys), on };
      subscriptions.add(subscription);
      if (!running) {
        const controller = new AbortController();
        running = { stop: controller, over: run(controller.signal) };
      }
      return {
        async [Symbol.asyncDispose]() {
          subscriptions.delete(subscription);
          if (subscriptions.size === 0) await stop();
        },
      };
    },
    async [Symbol.asyncDispose]() {
      subscriptions.clear();
      await stop();
    },
  };
}
