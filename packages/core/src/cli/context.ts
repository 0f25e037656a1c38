/** What commands are handed instead of the process itself. */

export interface CliContext {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** The script that was started; without it a reload reads every file in this thread. */
  readonly program?: string;
  readonly colour: boolean;
  /** Width and height of the terminal; absent where the output is none. */
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  /** Set by what goes on when nobody can be told any more: a full disk under the log ends no daemon. */
  outlivesOutput: boolean;
  stdout(text: string): void;
  stderr(text: string): void;
  /** Resolves when all that was written is out: an exit cuts a pipe short. */
  flushed(): Promise<void>;
}
