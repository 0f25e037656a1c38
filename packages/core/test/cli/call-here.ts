/** Calls the command in this process: what a child would say and end with, at a tenth of its cost. */
import { EventEmitter } from 'node:events';
import process from 'node:process';
import { call } from '#src/cli/call.js';
import type { CliContext } from '#src/cli/context.js';

export interface Called {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A context as that of a process whose output goes to `out` and `err`. */
export function memoryContext(out: string[] = [], err: string[] = [], more: Partial<CliContext> = {}): CliContext {
  return {
    env: {},
    cwd: '/',
    colour: false,
    status: 0,
    outlivesOutput: false,
    stdout: (text) => void out.push(text),
    stderr: (text) => void err.push(text),
    signals: new EventEmitter(),
    flushed: async () => undefined,
    exit: () => undefined,
    ...more,
  };
}

/** In the folder `cwd`, which is put back; with nothing of our environment but PATH, unless `env` says otherwise. */
export async function callHere(
  argv: readonly string[],
  cwd: string,
  env?: NodeJS.ProcessEnv,
  more: Partial<CliContext> = {},
): Promise<Called> {
  const [out, err]: [string[], string[]] = [[], []];
  const before = process.cwd();
  const context = memoryContext(out, err, {
    cwd,
    env: env ?? { PATH: process.env['PATH'] ?? '', HOME: cwd },
    ...more,
  });
  process.chdir(cwd);
  try {
    await call(argv, context);
  } finally {
    process.chdir(before);
  }
  return { code: context.status, stdout: out.join(''), stderr: err.join('') };
}
