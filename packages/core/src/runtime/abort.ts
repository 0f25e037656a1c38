/** Passes one signal's abort on to many calls through a single listener: hundreds of calls may share a signal that lives as long as the daemon. */

export interface SharedAbort {
  /** `controller` aborts when `signal` does, until the returned function is called. */
  follow(signal: AbortSignal, controller: AbortController): () => void;
}

export function createSharedAbort(): SharedAbort {
  const followers = new Map<
    AbortSignal,
    { readonly controllers: Set<AbortController>; readonly onAbort: () => void }
  >();

  return {
    follow(signal, controller) {
      if (signal.aborted) {
        controller.abort(signal.reason);
        return () => {};
      }
      let group = followers.get(signal);
      if (!group) {
        const controllers = new Set<AbortController>();
        const onAbort = () => {
          followers.delete(signal);
          for (const each of controllers) each.abort(signal.reason);
        };
        group = { controllers, onAbort };
        followers.set(signal, group);
        signal.addEventListener('abort', onAbort, { once: true });
      }
      const { controllers, onAbort } = group;
      controllers.add(controller);
      return () => {
        if (!controllers.delete(controller) || controllers.size > 0) return;
        signal.removeEventListener('abort', onAbort);
        // An abort has already taken the group away, and a later call may have made another.
        if (followers.get(signal)?.controllers === controllers) followers.delete(signal);
      };
    },
  };
}
