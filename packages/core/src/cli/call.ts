/** One call of the command: parses, runs, and tells a failure; all it has of the process is the context. */
import { CommanderError } from 'commander';
import { tooManyFiles } from '../runtime/descriptor-limit.js';
import { wrap } from '../runtime/terminal-text.js';
import { normaliseArguments } from './arguments.js';
import type { CliContext } from './context.js';
import { createProgram } from './program.js';

/** Resolves when the command is through, with `context.status` set. `argv` has no program in front. */
export async function call(argv: readonly string[], context: CliContext): Promise<void> {
  const program = createProgram(context);
  try {
    await program.parseAsync(normaliseArguments(argv), { from: 'user' });
  } catch (error) {
    const { logLevel } = program.opts<{ logLevel?: string }>();
    context.status = report(context, error, logLevel === 'debug' || logLevel === 'trace');
    // A pipe may hold less than a long text; whatever a failed start left open must not keep the process.
    await context.flushed();
    context.exit();
  }
}

/** Prints a failure, with its stack if `verbose`; returns the exit status. */
function report(context: CliContext, error: unknown, verbose: boolean): number {
  // Commander has printed its own message already; help and version end well.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const { code, message, stack } = error as { code?: string; message?: string; stack?: string };
  const full = tooManyFiles(error);
  const known = typeof code === 'string' && code.startsWith('ERR_');
  const named = full === undefined ? (known ? code : 'ERR_INTERNAL') : 'ERR_TOO_MANY_FILES';
  const text = `stunmesh: ${full ?? message ?? String(error)} [${named}]`;
  const { errorColumns } = context;
  context.stderr(`${errorColumns === undefined ? text : wrap(text, errorColumns, 2).join('\n')}\n`);
  if (verbose && stack !== undefined) context.stderr(`${stack}\n`);
  return known && /^ERR_(CONFIG|PLUGIN|USAGE|EXEC)/.test(code) ? 2 : 1;
}
