/** What is asked of a plugin, and how a protocol writes it and reads the answer. */
import type { Finished } from './launch.js';

export type Request =
  | { readonly action: 'get'; readonly key: string }
  | { readonly action: 'set'; readonly key: string; readonly value: string };

export interface Protocol {
  /** The text for the child's stdin. */
  formatRequest(request: Request): string;
  /** The value of a get; undefined: absent, or a set that was accepted. Errors: ERR_EXEC_FAILED, ERR_EXEC_OUTPUT. */
  parseAnswer(finished: Finished, request: Request): string | undefined;
}
