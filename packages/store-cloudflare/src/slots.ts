/** How many exchanges run at once: an agent counts sockets only when they are open, so that those being opened would come on top. */

/** Resolves with what gives the slot back. Rejects with the signal's reason if that aborts first. */
export type TakeSlot = (signal: AbortSignal | null | undefined) => Promise<() => void>;

export function createSlots(limit: number): TakeSlot {
  const waiting = new Set<() => void>();
  let taken = 0;

  const release = (): void => {
    taken -= 1;
    const next = waiting.values().next().value;
    next?.();
  };

  return (signal) =>
    new Promise((resolve, reject) => {
      const take = (): void => {
        waiting.delete(take);
        signal?.removeEventListener('abort', onAbort);
        taken += 1;
        resolve(release);
      };
      const onAbort = (): void => {
        waiting.delete(take);
        reject(signal?.reason);
      };
      if (signal?.aborted) onAbort();
      else if (taken < limit) take();
      else {
        signal?.addEventListener('abort', onAbort, { once: true });
        waiting.add(take);
      }
    });
}
