/** One failure, as the table keeps it for `status`. */
import type { StunmeshError } from '../api/index.js';

export interface Fault {
  readonly code: string;
  readonly message: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** What the operating system called it, where it did: "EROFS". */
  readonly errno?: string;
  /** The store that is at fault, or holds what is. */
  readonly store?: string;
}

/** `store`: the store that is at fault, or holds what is. */
export function createFault(error: StunmeshError, wallNow: number, store?: string): Fault {
  const { errno } = error.details;
  return {
    code: error.code,
    message: error.message,
    at: wallNow,
    ...(typeof errno === 'string' ? { errno } : {}),
    ...(store === undefined ? {} : { store }),
  };
}
