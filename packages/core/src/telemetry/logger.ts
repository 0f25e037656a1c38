/** The daemon's log: pino underneath, one readable line an event for people, JSON for machines. */
import { pino } from 'pino';
import { hasCode, type LogFields, type Logger } from '../api/index.js';
import { visible } from '../runtime/terminal-text.js';
import { journalPrefix } from './journal.js';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: 'console' | 'json';
  readonly colour: boolean;
  /** Lines for people end in systemd's journal: it knows their time itself, and wants to be told their level. Default: false. */
  readonly journal?: boolean;
  /** Takes whole lines with their newline. */
  write(line: string): void;
}

/** Paths whose values never reach the log, whatever a caller hands in (F34). */
const SECRET_PATHS = [
  'secretKey',
  'privateKey',
  'presharedKey',
  'token',
  'password',
  'secret',
  'value',
  'sealed',
].flatMap((name) => [name, `*.${name}`]);

const NAMES: Readonly<Record<number, string>> = {
  10: 'TRACE',
  20: 'DEBUG',
  30: 'INFO',
  40: 'WARN',
  50: 'ERROR',
  60: 'FATAL',
};
const COLOURS: Readonly<Record<number, string>> = { 10: '90', 20: '90', 30: '32', 40: '33', 50: '31', 60: '31' };

export function createLogger(options: LoggerOptions): Logger {
  const lines = (line: string) => options.write(options.format === 'json' ? visible(line) : formatLine(line, options));
  const root = pino(
    {
      level: options.level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      redact: { paths: SECRET_PATHS, censor: '[secret]' },
      serializers: {
        error: (error: unknown) => describeError(error, options.level === 'debug' || options.level === 'trace'),
      },
    },
    { write: lines },
  );
  return wrap(root);
}

function wrap(target: pino.Logger): Logger {
  return {
    trace: (fields, message) => target.trace(fields, message),
    debug: (fields, message) => target.debug(fields, message),
    info: (fields, message) => target.info(fields, message),
    warn: (fields, message) => target[endedByUs(fields) ? 'debug' : 'warn'](fields, message),
    error: (fields, message) => target[endedByUs(fields) ? 'debug' : 'error'](fields, message),
    child: (bindings: LogFields) => wrap(target.child(bindings)),
  };
}

/** What was under way when we closed a part, at a reload or at the end, failed because of that and for no other reason. */
function endedByUs({ error }: LogFields): boolean {
  return hasCode(error, 'ERR_CLOSED');
}

/** Code and sentence of an error; its stack only where `withStack`, for no operator wants one. */
export function describeError(error: unknown, withStack = false): LogFields {
  if (!(error instanceof Error)) return { message: String(error) };
  const { code, stack } = error as Error & { code?: unknown };
  return {
    ...(typeof code === 'string' ? { code } : { code: 'ERR_INTERNAL' }),
    message: error.message,
    ...(withStack && stack !== undefined ? { stack } : {}),
  };
}

/** `12:00:01 INFO  wg0/site-b connected  endpoint=192.0.2.1:51820`. */
function formatLine(json: string, { colour, journal = false }: LoggerOptions): string {
  const { level, time, msg, device, peer, error, ...rest } = JSON.parse(json, (_, value: unknown) =>
    typeof value === 'string' ? visible(value) : value,
  ) as Record<string, unknown> & {
    level: number;
    time: string;
  };
  const paint = (code: string | undefined, text: string) =>
    colour && code !== undefined ? `\u001b[${code}m${text}\u001b[0m` : text;
  const subject = [device, peer].filter((part) => part !== undefined).join('/');
  const fields = Object.entries(rest).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const { code, message, stack } = (error ?? {}) as { code?: string; message?: string; stack?: string };
  const parts = [
    ...(journal ? [] : [paint('90', time.slice(11, 19)), paint(COLOURS[level], (NAMES[level] ?? '').padEnd(5))]),
    subject,
    String(msg ?? ''),
    message === undefined ? '' : `: ${message} [${code}]`,
    fields.length > 0 ? paint('90', fields.join(' ')) : '',
  ];
  const text = parts
    .filter((part) => part !== '')
    .join(' ')
    .replace(' : ', ': ')
    // What a sentence or a field brings along on further lines is set in, so that it cannot pass for a line of ours.
    .replace(/\r?\n|\r/g, '\n  ');
  const lines = `${text}\n${stack === undefined ? '' : `${stack}\n`}`;
  return journal ? lines.replace(/^(?=.)/gm, journalPrefix(level)) : lines;
}
