/** What commands are handed instead of the process itself. */

export interface CliContext {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly colour: boolean;
  stdout(text: string): void;
  stderr(text: string): void;
}
