/** The one error class: failures carry a stable code, never a secret, and say what to do. */
import { ERROR_CODES, type ErrorCode, type Retry } from './error-codes.js';

export type ErrorDetails = Readonly<Record<string, string | number>>;

export interface ErrorOptions {
  readonly retry?: Retry;
  /** Milliseconds after which trying again makes sense, where the other side said so. */
  readonly retryAfterMs?: number;
  readonly details?: ErrorDetails;
  readonly cause?: unknown;
}

/** A failure with a code of ERROR_CODES (or a third-party plugin's own `ERR_…`). Match it by hasCode(), never by text or instanceof. */
export class StunmeshError extends Error {
  override readonly name = 'StunmeshError';
  readonly code: `ERR_${string}`;
  readonly retry: Retry;
  readonly retryAfterMs?: number;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode | (`ERR_${string}` & {}), message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retry = options.retry ?? (ERROR_CODES as Record<string, Retry>)[code] ?? 'later';
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs;
    this.details = options.details ?? {};
  }
}

/** True when `error` carries this code, whichever copy of the class made it. */
export function hasCode(error: unknown, code: ErrorCode | (`ERR_${string}` & {})): boolean {
  return typeof error === 'object' && error !== null && (error as { code?: unknown }).code === code;
}

/** True for any error that carries a stunmesh code (`ERR_…` and `retry`), from this or another copy of the class. */
export function isStunmeshError(error: unknown): error is StunmeshError {
  if (!(error instanceof Error)) return false;
  const { code, retry } = error as { code?: unknown; retry?: unknown };
  return typeof code === 'string' && code.startsWith('ERR_') && (retry === 'never' || retry === 'later');
}
