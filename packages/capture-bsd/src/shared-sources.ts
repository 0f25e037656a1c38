/** One frame source an interface and filter, however many sockets listen to it: both families of a discovery share one. */
import { StunmeshError } from '@stunmesh/core/api';
import type { StunMatch } from '@stunmesh/core/net';
import type { FrameListener, FrameSource, OpenFrameSource } from './frame-source.js';

interface Shared {
  readonly listeners: Set<FrameListener>;
  /** Ends the opening when nobody waits for it any more. */
  readonly unwanted: AbortController;
  readonly source: Promise<FrameSource>;
}

/** The same as `open`, but that of several with the same arguments only the first opens, and the last closes. */
export function createSharedSources(open: OpenFrameSource): OpenFrameSource {
  const all = new Map<string, Shared>();

  const start = (key: string, interfaceName: string, match: StunMatch): Shared => {
    const listeners = new Set<FrameListener>();
    const forget = () => {
      if (all.get(key)?.listeners === listeners) all.delete(key);
    };
    const unwanted = new AbortController();
    const listener: FrameListener = {
      frame(linkType, frame) {
        for (const listener of [...listeners]) if (listeners.has(listener)) listener.frame(linkType, frame);
      },
      lost(reason) {
        forget();
        const heard = [...listeners];
        listeners.clear();
        for (const listener of heard) listener.lost(reason);
      },
    };
    const source = open(interfaceName, match, listener, unwanted.signal);
    source.catch(forget);
    const shared = { listeners, source, unwanted };
    all.set(key, shared);
    return shared;
  };

  return async (interfaceName, match, listener, signal) => {
    signal.throwIfAborted();
    const key = `${interfaceName} ${JSON.stringify(match)}`;
    const shared = all.get(key) ?? start(key, interfaceName, match);
    shared.listeners.add(listener);
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
      if (shared.listeners.has(listener))
        return {
          async [Symbol.asyncDispose]() {
            if (leave()) await source[Symbol.asyncDispose]();
          },
        };
      // Lost meanwhile, or aborted: then the source may have come up just before it heard of that.
      if (shared.listeners.size === 0) await source[Symbol.asyncDispose]();
      signal.throwIfAborted();
      throw new StunmeshError('ERR_CAPTURE_OPEN', `the capture on ${interfaceName} ended as soon as it had begun`);
    } catch (error) {
      leave();
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  };
}
