/** One job at a time: asking while it runs makes it run once more, however often it was asked (F14). */

export interface Coalesced {
  /** Runs the job, or runs it again after the present run; resolves when a run that began after this call has ended. */
  trigger(): Promise<void>;
  /** Resolves when nothing runs any more; later triggers do nothing. */
  stop(): Promise<void>;
  readonly running: boolean;
}

/** `run` begins in the next microtask, so that all who ask in one turn share it; what it throws is given to `onError`. */
export function createCoalesced(run: () => Promise<void>, onError: (error: unknown) => void): Coalesced {
  let current: Promise<void> | undefined;
  let begun = false;
  let next: Promise<void> | undefined;
  let stopped = false;

  const work = async (): Promise<void> => {
    await undefined;
    begun = true;
    try {
      if (!stopped) await run();
    } catch (error) {
      onError(error);
    } finally {
      current = undefined;
    }
  };
  const start = (): Promise<void> => {
    begun = false;
    current = work();
    return current;
  };

  return {
    get running() {
      return current !== undefined;
    },
    trigger() {
      if (stopped) return Promise.resolve();
      if (!current) return start();
      if (!begun) return current;
      next ??= current.then(() => {
        next = undefined;
        if (stopped) return;
        // Somebody may have asked between the end of the run and this turn.
        return current ?? start();
      });
      return next;
    },
    async stop() {
      stopped = true;
      await current;
      await next;
    },
  };
}
