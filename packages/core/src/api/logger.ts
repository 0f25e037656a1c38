/** The logger that modules are handed: fields first, then one readable sentence. */

/** Values that may be logged. Never put keys, tokens or record values in here (F34). */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  trace(fields: LogFields, message: string): void;
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** A logger that adds these fields to each of its lines. */
  child(bindings: LogFields): Logger;
}
