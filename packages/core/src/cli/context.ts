/** What commands are handed instead of the process itself. */
import type { EventEmitter } from 'node:events';

export interface CliContext {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** The script that was started; without it a reload reads every file in this thread. */
  readonly program?: string;
  readonly colour: boolean;
  /** Width and height of the terminal; absent where the output is none. */
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  /** Width that a failure's text is broken to between words; absent where a program reads it, to which a line stays a line. */
  readonly errorColumns?: number | undefined;
  /** What the process ends with. */
  status: number;
  /** Set by what goes on when nobody can be told any more: a full disk under the log ends no daemon. */
  outlivesOutput: boolean;
  stdout(text: string): void;
  stderr(text: string): void;
  /** Where SIGHUP, SIGINT and SIGTERM are heard. */
  readonly signals: Pick<EventEmitter, 'on' | 'once'>;
  /** Resolves when all that was written is out: an exit cuts a pipe short. */
  flushed(): Promise<void>;
  /** Ends the process with `status`, whatever still hangs somewhere; for the last line of a command. */
  exit(): void;
}
