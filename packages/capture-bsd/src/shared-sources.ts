/** One frame source an interface and port, however many sockets listen to it: both families of a device share one, whose filter lets through what any of them wants. */
import { StunmeshError } from '@stunmesh/core/api';
import { joinMatches, type StunMatch } from '@stunmesh/core/net';
import type { FrameListener, FrameSource, OpenFrameSource } from './frame-source.js';

interface Shared {
  readonly listeners: Map<FrameListener, StunMatch>;
  /** Ends the opening when nobody waits for it any more. */
  readonly unwanted: AbortController;
  readonly source: Promise<FrameSource>;
  /** The filter that it has, as text, and the changes of it, one after the other. */
  applied: string;
  changes: Promise<void>;
}

/** The same as `open`, but that of several with the same interface and port only the first opens, and the last closes. */
export function createSharedSources(open: OpenFrameSource): OpenFrameSource {
  const all = new Map<string, Shared>();

  const start = (key: string, interfaceName: string, match: StunMatch): Shared => {
    const listeners = new Map<FrameListener, StunMatch>();
    const forget = () => {
      if (all.get(key)?.listeners === listeners) all.delete(key);
    };
    const unwanted = new AbortController();
    const listener: FrameListener = {
      frame(linkType, frame) {
        for (const listener of [...listeners.keys()]) if (listeners.has(listener)) listener.frame(linkType, frame);
      },
      lost(reason) {
        forget();
        const told = [...listeners.keys()];
        listeners.clear();
        for (const listener of told) listener.lost(reason);
      },
    };
    const source = open(interfaceName, match, listener, unwanted.signal);
    source.catch(forget);
    const shared: Shared = {
      listeners,
      unwanted,
      source,
      applied: JSON.stringify(match),
      changes: source.then(
        () => undefined,
        () => undefined,
      ),
    };
    all.set(key, shared);
    return shared;
  };

  /** Gives the source the filter that its listeners want together. Rejects where that fails. */
  const adapt = (shared: Shared): Promise<void> => {
    const change = shared.changes.then(async () => {
      const wanted = joinMatches([...shared.listeners.values()]);
      const text = JSON.stringify(wanted);
      if (!wanted || text === shared.applied) return;
      const source = await shared.source;
      await source.refilter(wanted);
      shared.applied = text;
    });
    shared.changes = change.catch(() => undefined);
    return change;
  };

  return async (interfaceName, match, listener, signal) => {
    signal.throwIfAborted();
    const key = `${interfaceName} ${'localPort' in match ? match.localPort : `from ${match.sourcePort}`}`;
    const shared = all.get(key) ?? start(key, interfaceName, match);
    shared.listeners.set(listener, match);
    /** True when nobody is left: nobody new joins either. */
    const leave = (): boolean => {
      if (!shared.listeners.delete(listener) || shared.listeners.size > 0) return false;
      if (all.get(key) === shared) all.delete(key);
      return true;
    };
    const onAbort = () => {
      if (leave()) shared.unwanted.abort(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const source = await shared.source;
      if (shared.listeners.has(listener)) await adapt(shared);
      if (shared.listeners.has(listener))
        return {
          async refilter(next) {
            if (!shared.listeners.has(listener)) return;
            shared.listeners.set(listener, next);
            await adapt(shared);
          },
          async [Symbol.asyncDispose]() {
            if (leave()) await source[Symbol.asyncDispose]();
          },
        };
      // Lost meanwhile, or aborted: then the source may have come up just before it heard of that.
      if (shared.listeners.size === 0) await source[Symbol.asyncDispose]();
      signal.throwIfAborted();
      throw new StunmeshError('ERR_CAPTURE_OPEN', `the capture on ${interfaceName} ended as soon as it had begun`);
    } catch (error) {
      if (leave()) shared.source.then((source) => source[Symbol.asyncDispose]()).catch(() => {});
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  };
}
