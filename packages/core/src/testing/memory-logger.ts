/** A logger that keeps its lines, so that a test can look at what an operator would see. */
import type { LogFields, Logger } from '../api/index.js';

export interface LogLine {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error';
  readonly fields: LogFields;
  readonly message: string;
}

export interface MemoryLogger extends Logger {
  readonly lines: LogLine[];
  /** All lines as text, for searching (F34 tests). */
  text(): string;
}

export function createMemoryLogger(bindings: LogFields = {}, lines: LogLine[] = []): MemoryLogger {
  const at = (level: LogLine['level']) => (fields: LogFields, message: string) => {
    lines.push({ level, fields: { ...bindings, ...fields }, message });
  };
  return {
    lines,
    text: () => lines.map((l) => `${l.level} ${l.message} ${JSON.stringify(l.fields)}`).join('\n'),
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (more) => createMemoryLogger({ ...bindings, ...more }, lines),
  };
}
