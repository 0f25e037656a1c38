/** Watches one folder for many listeners with a single fs.watch, and comes back when the folder was removed and made again. */
import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Clock, Logger, StoreWatch, WatchListener } from '@stunmesh/core/api';
import { folderError } from './folder-error.js';
import { unseenChanges } from './local-folder.js';

/** Events within this time are one: a writer that is not atomic makes several. */
const GATHER_MS = 20;
/** How often a missing folder is looked for, and a watched one compared, in milliseconds. */
const LOOK_MS = 1000;
const COMPARE_MS = 10_000;
/** Most events in a second that are listened to (F76): with more the folder is left alone for a while, and then read once. */
const MOST_EVENTS = 5000;
const STORM_WINDOW_MS = 1000;
const FIRST_REST_MS = 1000;
const MOST_REST_MS = 60_000;

/** So many events that watching costs more than looking. */
class Storm extends Error {}

interface Subscription {
  readonly keys: ReadonlySet<string>;
  readonly on: WatchListener;
}

export interface FolderWatch extends AsyncDisposable {
  /** Watches these names until the result is disposed. */
  add(keys: readonly string[], on: WatchListener): StoreWatch;
}

export function createFolderWatch(options: {
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Why changes may stay unseen in this folder (local-folder); default: as its file system is. */
  unseen?(path: string): Promise<string | undefined>;
}): FolderWatch {
  const { path, clock, logger, unseen = unseenChanges } = options;
  const self = basename(path);
  const subscriptions = new Set<Subscription>();
  /** How many subscriptions have each name. */
  const watched = new Map<string, number>();
  const changed = new Set<string>();
  let gathering = false;
  /** The folder was there when last looked at. */
  let there = false;
  /** Of the folder that is watched. */
  let incomplete: string | undefined;
  let running: { readonly stop: AbortController; readonly over: Promise<void> } | undefined;

  const changeAll = (): void => {
    for (const { keys } of subscriptions) for (const key of keys) changed.add(key);
    flush();
  };

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
    incomplete = await unseen(path);
    there = true;
    // What fs.watch reports goes on here; `look` wakes the comparison below before its time.
    let look = new AbortController();
    let failure: unknown;
    let gone = false;
    let windowAt = clock.now();
    let events = 0;
    const watcher: FSWatcher = watch(path, (_event, name) => {
      const now = clock.now();
      if (now - windowAt >= STORM_WINDOW_MS) [windowAt, events] = [now, 0];
      events += 1;
      if (events > MOST_EVENTS) {
        failure ??= new Storm();
        // At once: what is in the kernel's queue is thrown away with it.
        watcher.close();
        look.abort();
      } else if (name !== null && watched.has(name)) void gather(name, signal);
      // News of the folder itself: it was moved or removed, after which inotify falls silent; or of a file that is named like it.
      else if (name === self) look.abort();
      // kqueue names no files.
      else if (name === null) {
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
      changeAll();
      while (!signal.aborted) {
        await clock.sleep(COMPARE_MS, look.signal).catch(() => {});
        if (failure !== undefined) throw failure;
        if (gone) return;
        look = new AbortController();
        const now = await stat(path);
        // The number alone proves nothing: file systems give it to the next folder.
        if (now.ino !== before.ino || now.dev !== before.dev || now.birthtimeMs !== before.birthtimeMs) return;
        // Not more often, however much there is to say about it.
        await clock.sleep(GATHER_MS, signal).catch(() => {});
      }
    } finally {
      signal.removeEventListener('abort', stop);
      watcher.close();
    }
  }

  async function run(signal: AbortSignal): Promise<void> {
    let reported: string | undefined;
    let storms = 0;
    while (!signal.aborted) {
      const begun = clock.now();
      try {
        await watchOnce(signal);
        reported = undefined;
        await clock.sleep(GATHER_MS, signal).catch(() => {});
        continue;
      } catch (error) {
        if (error instanceof Storm) {
          storms = clock.now() - begun > MOST_REST_MS ? 1 : storms + 1;
          const restMs = Math.min(FIRST_REST_MS * 2 ** (storms - 1), MOST_REST_MS);
          if (storms === 1)
            logger.warn({ path, restMs }, 'too many changes in the folder to follow each; it is looked at less often');
          await clock.sleep(restMs, signal).catch(() => {});
          continue;
        }
        const fault = folderError(error, path);
        const errno = String(fault.details['errno']);
        // It went away with all that was in it: whoever reads now learns that.
        if (errno === 'ENOENT' && there) changeAll();
        there = errno !== 'ENOENT';
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
      for (const key of subscription.keys) watched.set(key, (watched.get(key) ?? 0) + 1);
      if (!running) {
        const controller = new AbortController();
        running = { stop: controller, over: run(controller.signal) };
      }
      return {
        get incomplete() {
          return incomplete;
        },
        async [Symbol.asyncDispose]() {
          if (!subscriptions.delete(subscription)) return;
          for (const key of subscription.keys) {
            const left = (watched.get(key) ?? 0) - 1;
            if (left > 0) watched.set(key, left);
            else watched.delete(key);
          }
          if (subscriptions.size === 0) await stop();
        },
      };
    },
    async [Symbol.asyncDispose]() {
      subscriptions.clear();
      watched.clear();
      await stop();
    },
  };
}
