/** Exec protocol 1 (PROTOCOL.md): requests and answers as one JSON object a line; pure. */
import { type StoreTraits, StunmeshError } from '@stunmesh/core/api';
import { checkValueText } from './failure.js';
import { oneLine } from './one-line.js';

export type PluginRequest =
  | { readonly action: 'describe' }
  | { readonly action: 'get' | 'delete'; readonly key: string }
  | { readonly action: 'set'; readonly key: string; readonly value: string }
  | { readonly action: 'getMany' | 'watch'; readonly keys: readonly string[] }
  | { readonly action: 'setMany'; readonly values: Readonly<Record<string, string>> };

/** What a plugin printed: any members, of which nothing is known yet. */
export type Message = Readonly<Record<string, unknown>>;

/** What a plugin says of itself. */
export interface Description {
  readonly version?: string;
  readonly traits: Partial<StoreTraits>;
  /** It serves many requests in one long-lived process. */
  readonly session: boolean;
  readonly watch: boolean;
  readonly delete: boolean;
  /** It knows getMany and setMany. */
  readonly many: boolean;
}

/** Longest pause that a plugin may ask for: a day. */
const MOST_PAUSE_MS = 86_400_000;

const isObject = (value: unknown): value is Message =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const unreadable = (what: string): StunmeshError => new StunmeshError('ERR_EXEC_OUTPUT', what);

export function formatRequest(request: PluginRequest, id: number): string {
  return `${JSON.stringify({ protocol: 1, id, ...request })}\n`;
}

/** Errors: ERR_EXEC_OUTPUT, which never quotes the text. */
export function parseMessage(text: string): Message {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    throw unreadable(
      'printed a line that is no JSON; stdout is for answers alone, one object a line, and what a program logs belongs on stderr',
    );
  }
  if (!isObject(found)) throw unreadable('printed JSON that is no object; an answer is one object a line');
  return found;
}

const CODES: Readonly<Record<string, string>> = {
  later: 'ERR_STORE_UNAVAILABLE',
  rejected: 'ERR_STORE_DENIED',
  too_large: 'ERR_STORE_TOO_LARGE',
  internal: 'ERR_STORE_INTERNAL',
};

/** The error that a plugin reports by `code`, `error` and `retry_after_ms`; a code that nobody knows is ERR_EXEC_FAILED. */
export function reportedError(report: unknown, stderr = ''): StunmeshError {
  const { code, error, retry_after_ms: pause } = isObject(report) ? report : {};
  const text = (typeof error === 'string' && oneLine(error)) || oneLine(stderr) || 'without a word';
  const known = typeof code === 'string' && Object.hasOwn(CODES, code) ? CODES[code] : undefined;
  const wait = typeof pause === 'number' && pause >= 0 ? { retryAfterMs: Math.min(pause, MOST_PAUSE_MS) } : {};
  const options = code === 'rejected' || code === 'too_large' ? {} : wait;
  return new StunmeshError((known ?? 'ERR_EXEC_FAILED') as `ERR_${string}`, `reports a failure: ${text}`, options);
}

/** The answer itself when it says success. Errors: what it reports; ERR_EXEC_OUTPUT where it says neither. */
export function expectSuccess(answer: Message, stderr = ''): Message {
  if (answer['success'] === true) return answer;
  if (answer['success'] === false) throw reportedError(answer, stderr);
  throw unreadable('answered without "success": true or false');
}

/** The value of a get; undefined: absent (F33). Errors: ERR_EXEC_OUTPUT. */
export function readValue(value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw unreadable(`answered "value" as ${kindOf(value)}, not as text`);
  return checkValueText(value);
}

/** The failures of a getMany or setMany, by key. Errors: ERR_EXEC_OUTPUT. */
export function readErrors(answer: Message, keys: readonly string[]): Map<string, StunmeshError> {
  const errors = readMembers(answer, 'errors');
  return new Map(keys.flatMap((key) => (Object.hasOwn(errors, key) ? [[key, reportedError(errors[key])]] : [])));
}

/** The values of a getMany: those of `keys` that have one, and what failed. Errors: ERR_EXEC_OUTPUT. */
export function readValues(answer: Message, keys: readonly string[]): Map<string, string | StunmeshError> {
  const values = readMembers(answer, 'values');
  const found = new Map<string, string | StunmeshError>();
  for (const key of keys) {
    const value = Object.hasOwn(values, key) ? readValue(values[key]) : undefined;
    if (value !== undefined) found.set(key, value);
  }
  return new Map([...found, ...readErrors(answer, keys)]);
}

function readMembers(answer: Message, name: string): Message {
  const members = answer[name] ?? {};
  if (!isObject(members)) throw unreadable(`answered "${name}" as ${kindOf(members)}, not as an object by key`);
  return members;
}

/** Errors: ERR_PLUGIN_INVALID when the program does not speak protocol 1, or describes itself in a way that nobody can use. */
export function readDescription(answer: Message): Description {
  if (answer['success'] !== true || answer['protocol'] !== 1) throw notProtocol1();
  const traits = answer['traits'] ?? {};
  if (!isObject(traits)) throw invalid('"traits" is no object');
  const number = (name: string, least: number): number | undefined => {
    const value = traits[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'number' && Number.isFinite(value) && value >= least) return value;
    throw invalid(`"${name}" must be a number, at least ${least}`);
  };
  const flag = (name: string): boolean => {
    const value = traits[name] ?? false;
    if (typeof value === 'boolean') return value;
    throw invalid(`"${name}" must be true or false`);
  };
  const most = number('max_value_bytes', 1);
  const long = number('max_long_value', 1);
  const poll = number('min_poll_ms', 0);
  const expires = number('expires_after_ms', 1);
  const session = flag('session');
  const { version } = answer;
  return {
    ...(typeof version === 'string' ? { version: oneLine(version) } : {}),
    traits: {
      ...(most === undefined ? {} : { maxValueBytes: Math.min(Math.floor(most), MAX_VALUE) }),
      ...(long === undefined ? {} : { maxLongValue: Math.min(Math.floor(long), MAX_VALUE) }),
      ...(poll === undefined ? {} : { minPollMs: poll }),
      ...(expires === undefined ? {} : { expiresAfterMs: expires }),
    },
    session,
    // News can only come while a process is there to tell it.
    watch: session && flag('watch'),
    delete: flag('delete'),
    many: flag('many'),
  };
}

/** The longest value in either protocol, in characters. */
export const MAX_VALUE = 32_768;

/** The program answered describe as one of protocol 0 would. */
export function notProtocol1(): StunmeshError {
  return new StunmeshError(
    'ERR_PLUGIN_INVALID',
    'does not answer "describe" as a plugin of protocol 1; leave out "protocol: 1" if it speaks protocol 0',
  );
}

const invalid = (what: string): StunmeshError =>
  new StunmeshError('ERR_PLUGIN_INVALID', `describes itself wrongly: ${what}`);

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
}
