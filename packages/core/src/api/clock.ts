/** Time as controllers see it; only runtime/system-clock touches real timers, tests bring a fake one. */

export interface Clock {
  /** Milliseconds since 1970 by the wall clock; may jump. */
  wallNow(): number;
  /** Milliseconds on a monotonic clock; only differences mean something. */
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** A signal that aborts with ERR_DEADLINE after `ms`, or with the parent's reason; dispose it to free the timer. */
  deadline(ms: number, parent?: AbortSignal): Disposable & { readonly signal: AbortSignal };
}
