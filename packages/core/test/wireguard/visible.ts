/** What a person or a log could see of a value, for the tests that no secret is among it (F34). */
import { inspect } from 'node:util';

/** inspect with hidden members, message, stack and JSON of the value, in one text. */
export function visible(value: unknown): string {
  const text = inspect(value, { depth: 12, showHidden: true, maxArrayLength: null, maxStringLength: null });
  const error = value instanceof Error ? `${value.message} ${value.stack} ${String(value)}` : '';
  return `${text} ${error} ${JSON.stringify(value, (_, v) => (v instanceof Map ? [...v] : v))}`;
}

/** What the call threw; undefined when it did not. */
export function caught(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}
