/** The one place where whatever a store throws becomes a StunmeshError that can be shown (F34). */
import { type ErrorCode, type ErrorDetails, isStunmeshError, StunmeshError } from '../api/index.js';

/** Longest text of a foreign error that is passed on, in characters. */
const FOREIGN_TEXT = 200;
/** Records and keys are hex; anything this long may be one. */
const HEX_RUN = /[0-9a-fA-F]{64,}/g;

const DENIED = new Set(['EACCES', 'EPERM', 'EROFS']);

/** `text` with every hex run that could be a record or a key replaced. */
export function withoutSecrets(text: string): string {
  return text.replace(HEX_RUN, '[hex]');
}

/** One line of at most 200 characters without hex runs: fit for a log whatever wrote it. */
export function oneLine(text: string): string {
  // Cut generously first, so that a megabyte is not scanned; a run cut in two is still replaced.
  const line = withoutSecrets(text.slice(0, 16 * FOREIGN_TEXT))
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim();
  return line.length > FOREIGN_TEXT ? `${line.slice(0, FOREIGN_TEXT - 1)}…` : line;
}

function codeOf(error: unknown): ErrorCode {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return 'ERR_STORE_INTERNAL';
  return DENIED.has(code) ? 'ERR_STORE_DENIED' : 'ERR_STORE_UNAVAILABLE';
}

function cleanDetails(details: ErrorDetails): ErrorDetails {
  return Object.fromEntries(
    Object.entries(details).map(([key, value]) => [key, typeof value === 'string' ? withoutSecrets(value) : value]),
  );
}

/** A StunmeshError that begins with `where` ("store "files": get"). Codes, retry and details of StunmeshErrors are kept;
 * causes are not, because a logger would print what they carry. */
export function mapStoreError(error: unknown, where: string): StunmeshError {
  if (isStunmeshError(error)) {
    return new StunmeshError(error.code, `${where}: ${withoutSecrets(error.message)}`, {
      retry: error.retry,
      ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
      details: cleanDetails(error.details ?? {}),
    });
  }
  const text =
    error instanceof Error ? error.message || error.name : typeof error === 'string' ? error : 'no reason given';
  return new StunmeshError(codeOf(error), `${where}: ${oneLine(text)}`);
}
