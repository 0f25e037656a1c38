/** What can go wrong with an API call, and the error that an operator gets to see: never the token, never a record's value (F34). */
import { type ErrorCode, StunmeshError } from '@stunmesh/core/api';

/** One entry of an answer's `errors`. */
export interface ApiMessage {
  readonly code: number;
  readonly message: string;
}

export type FaultReason =
  | { readonly kind: 'network'; readonly errno: string }
  /** The host could not open a connection, and says why. */
  | { readonly kind: 'failed'; readonly error: StunmeshError }
  | { readonly kind: 'redirect'; readonly status: number }
  | { readonly kind: 'too-long'; readonly limitBytes: number }
  | { readonly kind: 'garbage'; readonly status: number }
  | {
      readonly kind: 'refused';
      readonly status: number;
      readonly messages: readonly ApiMessage[];
      readonly retryAfterMs?: number;
    };

/** Thrown by the transport and passed through the SDK, which reads the word for a spent time limit out of messages: so there is none in this one. */
export class Fault extends Error {
  readonly reason: FaultReason;
  constructor(reason: FaultReason) {
    super('no answer that is of use');
    this.reason = reason;
  }
}

/** Why a record was refused, where the rest of a batch may still be fine; in the details of the error as `refusal`. */
export type Refusal = 'gone' | 'full' | 'quotes' | 'other';

const PERMISSIONS = 'the token needs Zone: Read and DNS: Edit for this zone';
/** Codes of the API for a token that is malformed, unknown, expired or lacks a permission; some come with status 400. */
const DENIED = new Set([1000, 1001, 6003, 6111, 9103, 9106, 9107, 9109, 10_000, 10_001]);
const THROTTLED = new Set([971, 10_429]);
const GONE = 81_044;
const FULL = 81_045;
/** Where a 429 does not say how long. */
const USUAL_PAUSE_MS = 60_000;
const LONGEST_TEXT = 160;

/** The API's own words in brackets, if there are any that may be shown: one line without the token or anything that could be a value. */
export function quoteMessages(messages: readonly ApiMessage[], token: string): string {
  const first = messages[0];
  if (!first) return '';
  const text = (token === '' ? first.message : first.message.replaceAll(token, '[token]'))
    .replace(/[0-9a-f]{41,}/gi, '[hex]')
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .slice(0, LONGEST_TEXT)
    .trim();
  return ` (${[first.code, text].filter((part) => part !== '').join(': ')})`;
}

/** The error for a fault while `doing` ("listing the records of example.com"). `host` is the API's. */
export function faultError(
  reason: FaultReason,
  context: { doing: string; host: string; token: string },
): StunmeshError {
  const { doing, host, token } = context;
  const error = (
    code: ErrorCode,
    text: string,
    more: { retryAfterMs?: number; details?: Record<string, string | number> } = {},
  ) => new StunmeshError(code, `${doing}: ${text}`, more);
  switch (reason.kind) {
    case 'network':
      return error('ERR_STORE_UNAVAILABLE', `${host} cannot be reached (${reason.errno}); check this host's network`, {
        details: { errno: reason.errno },
      });
    case 'failed':
      return reason.error;
    case 'redirect':
      return error(
        'ERR_STORE_UNAVAILABLE',
        `${host} answered with a redirect (${reason.status}), which is not followed; check "api", and proxies on the way`,
      );
    case 'too-long':
      return error('ERR_STORE_INTERNAL', `the answer of ${host} is longer than ${reason.limitBytes} bytes`);
    case 'garbage':
      return error(
        'ERR_STORE_INTERNAL',
        `the answer of ${host} (status ${reason.status}) is not what the API answers; check "api", and proxies on the way`,
      );
    case 'refused':
      return refusalError(reason, doing, quoteMessages(reason.messages, token));
  }
}

function refusalError(
  { status, messages, retryAfterMs }: Extract<FaultReason, { kind: 'refused' }>,
  doing: string,
  words: string,
): StunmeshError {
  const error = (
    code: ErrorCode,
    what: string,
    more: { readonly advice?: string; readonly retryAfterMs?: number | undefined; readonly refusal?: Refusal } = {},
  ) =>
    new StunmeshError(code, `${doing}: ${what}${words}${more.advice === undefined ? '' : `; ${more.advice}`}`, {
      ...(more.retryAfterMs === undefined ? {} : { retryAfterMs: more.retryAfterMs }),
      details: { status, ...(more.refusal === undefined ? {} : { refusal: more.refusal }) },
    });
  const codes = messages.map(({ code }) => code);
  const says = (pattern: RegExp) => messages.some(({ message }) => pattern.test(message));
  if (status === 429 || codes.some((code) => THROTTLED.has(code))) {
    return error('ERR_STORE_UNAVAILABLE', 'too many API calls', { retryAfterMs: retryAfterMs ?? USUAL_PAUSE_MS });
  }
  if (status === 401 || status === 403 || codes.some((code) => DENIED.has(code))) {
    return error('ERR_STORE_DENIED', 'Cloudflare does not accept the token', { advice: PERMISSIONS });
  }
  if (status >= 500 || status === 408) {
    return error('ERR_STORE_UNAVAILABLE', `Cloudflare has a fault of its own, status ${status}`, { retryAfterMs });
  }
  if (codes.includes(FULL) || says(/\bquota\b/i)) {
    const what = 'the zone holds as many records as its plan allows';
    return error('ERR_STORE_UNAVAILABLE', what, { advice: 'delete some', refusal: 'full' });
  }
  if (codes.includes(GONE))
    return error('ERR_STORE_UNAVAILABLE', 'the record has just been removed', { refusal: 'gone' });
  const refusal = says(/\bquot(es?|ed|ation)\b/i) ? 'quotes' : 'other';
  return error('ERR_STORE_INTERNAL', `Cloudflare refuses this, status ${status}`, { refusal });
}

/** What an error says of single records; undefined: it concerns everything. */
export function refusalOf(error: StunmeshError): Refusal | undefined {
  return error.details['refusal'] as Refusal | undefined;
}

/** Retry-After in milliseconds: seconds, or a date (RFC 9110 10.2.3). */
export function parseRetryAfter(text: string | undefined, wallNow: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text.trim())) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - wallNow);
}
