/** The way to a plugin of protocol 1: what it says of itself first, then single calls or a session, as it declares. */
import { hasCode, raceAbort, type StoreWatch, StunmeshError, type WatchListener } from '@stunmesh/core/api';
import { createLaunchOptions, type ExecParts, type ExecStoreConfig } from './exec-config.js';
import { makeFifos } from './fifos.js';
import {
  type Description,
  expectSuccess,
  type Message,
  notProtocol1,
  type PluginRequest,
  readDescription,
} from './messages.js';
import { createScratch } from './scratch.js';
import { openSession, type Session } from './session.js';
import { callOnce } from './single-call.js';
import { createSupervisor, START_MS } from './supervisor.js';
import { createWatchers } from './watchers.js';

export interface PluginClient extends AsyncDisposable {
  /** What the plugin says of itself, asked once. */
  description(signal: AbortSignal): Promise<Description>;
  /** A successful answer. Errors: the signal's reason, what the plugin reports, what became of its process. */
  ask(request: PluginRequest, signal: AbortSignal): Promise<Message>;
  /** Resolves with what stops it; inert for a plugin that cannot watch. */
  watch(keys: readonly string[], on: WatchListener, signal: AbortSignal): Promise<StoreWatch>;
}

/** How long the plugin may take to hear of a new list of watched keys when nobody waits for it, in milliseconds. */
const WATCH_MS = 10_000;

/** `learnt` is called with each description, also of a session that was started again. Starts nothing yet (F32). */
export function createPluginClient(
  config: ExecStoreConfig,
  parts: ExecParts & { random(): number; learnt(description: Description): void },
): PluginClient {
  const { clock, logger } = parts;
  const scratch = createScratch(makeFifos, parts.scratchFolder?.bind(parts));
  const launch = createLaunchOptions(config, parts);
  const launching = () => ({ ...launch(), scratch, clock, logger });
  const closing = new AbortController();
  const underWay = new Map<AbortController, Promise<unknown>>();
  const watchers = createWatchers();
  let known: Description | undefined;
  let asking: Promise<Description> | undefined;
  let restarted = false;

  const learn = (description: Description): Description => {
    known = description;
    parts.learnt(description);
    return description;
  };

  const tellWatched = async (session: Session, signal: AbortSignal): Promise<void> => {
    expectSuccess(await session.ask({ action: 'watch', keys: watchers.keys() }, signal));
  };

  /** As tellWatched, when nobody waits. */
  const tellLater = async (session: Session): Promise<boolean> => {
    using limit = clock.deadline(WATCH_MS, closing.signal);
    return tellWatched(session, limit.signal).then(
      () => true,
      () => false,
    );
  };

  const supervisor = createSupervisor({
    clock,
    logger,
    random: parts.random,
    open: (signal) =>
      openSession(
        { ...launching(), onEvent: watchers.event, watched: () => watchers.keyCount, mostInFlight: config.parallel },
        signal,
      ),
    began(session) {
      learn(session.description);
      const again = restarted;
      restarted = false;
      if (watchers.size === 0 || !session.description.watch) return;
      void tellLater(session).then((told) => {
        // What changed while no process was there to see it.
        if (told && again) watchers.missed();
      });
    },
    died(error) {
      restarted = true;
      watchers.fault(error);
    },
    wanted: () => watchers.size > 0,
  });

  /** Runs `work` so that closing ends and awaits it. */
  const tracked = async <T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    signal.throwIfAborted();
    closing.signal.throwIfAborted();
    const controller = new AbortController();
    const onAbort = () => controller.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const running = work(controller.signal);
    underWay.set(controller, running);
    try {
      return await running;
    } finally {
      underWay.delete(controller);
      signal.removeEventListener('abort', onAbort);
    }
  };

  const askDescription = async (): Promise<Description> => {
    using limit = clock.deadline(START_MS);
    return tracked(limit.signal, async (signal) => {
      try {
        return learn(readDescription(await callOnce(launching(), { action: 'describe' }, signal)));
      } catch (error) {
        // A program of protocol 0 reports a failure, in its own way, without a code.
        throw hasCode(error, 'ERR_EXEC_FAILED') && (error as StunmeshError).details['exitCode'] === undefined
          ? notProtocol1()
          : error;
      }
    });
  };

  const description = async (signal: AbortSignal): Promise<Description> => {
    signal.throwIfAborted();
    closing.signal.throwIfAborted();
    if (known) return known;
    asking ??= askDescription().finally(() => {
      asking = undefined;
    });
    asking.catch(() => {});
    return raceAbort(asking, signal);
  };

  return {
    description,
    async ask(request, signal) {
      const { session } = await description(signal);
      return tracked(signal, async (own) =>
        session
          ? expectSuccess(await (await supervisor.session(own)).ask(request, own))
          : callOnce(launching(), request, own),
      );
    },
    async watch(keys, on, signal) {
      const inert = { incomplete: 'the program tells of no changes', async [Symbol.asyncDispose]() {} };
      if (!(await description(signal)).watch) return inert;
      return tracked(signal, async (own) => {
        const session = await supervisor.session(own);
        if (!session.description.watch) return inert;
        const remove = watchers.add(keys, on);
        try {
          await tellWatched(session, own);
        } catch (error) {
          remove();
          throw error;
        }
        let stopped = false;
        return {
          async [Symbol.asyncDispose]() {
            if (stopped) return;
            stopped = true;
            remove();
            // Only a process that runs has to know; a new one gets the list as it is then.
            if (supervisor.running && !closing.signal.aborted) await tellLater(supervisor.running);
          },
        };
      });
    },
    async [Symbol.asyncDispose]() {
      closing.abort(new StunmeshError('ERR_CLOSED', 'the store is closed'));
      for (const controller of underWay.keys()) controller.abort(closing.signal.reason);
      await supervisor.close();
      await Promise.allSettled(underWay.values());
      scratch[Symbol.dispose]();
    },
  };
}
