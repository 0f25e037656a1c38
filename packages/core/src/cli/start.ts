/** The command's start: parses, calls, prints. */
import { CommanderError } from 'commander';
import { tooManyFiles } from '../runtime/descriptor-limit.js';
import { wrap } from '../runtime/terminal-text.js';
import { normaliseArguments } from './arguments.js';
import type { CliContext } from './context.js';
import { createProgram } from './program.js';

const context: CliContext = {
  env: process.env,
  cwd: process.cwd(),
  program: process.argv[1] ?? '',
  colour: process.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === '',
  get columns() {
    return process.stdout.isTTY ? process.stdout.columns : undefined;
  },
  get rows() {
    return process.stdout.isTTY ? process.stdout.rows : undefined;
  },
  outlivesOutput: false,
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  flushed: () => new Promise((resolve) => process.stdout.write('', () => resolve())),
};

const program = createProgram(context);

// A reader that went away (a pipe into head) is no failure of ours.
process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  if (!context.outlivesOutput) process.exit(code === 'EPIPE' ? 0 : 1);
});
process.stderr.on('error', () => undefined);

try {
  await program.parseAsync(normaliseArguments(process.argv.slice(2)), { from: 'user' });
} catch (error) {
  const status = report(error);
  // A pipe may hold less than a long text; whatever a failed start left open must not keep the process.
  await new Promise<void>((resolve) => process.stderr.write('', () => resolve()));
  process.exit(status);
}

/** Prints a failure without its stack, unless --log-level debug or trace asks for it; returns the exit code. */
function report(error: unknown): number {
  // Commander has printed its own message already; help and version end well.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const { code, message, stack } = error as { code?: string; message?: string; stack?: string };
  const full = tooManyFiles(error);
  const known = typeof code === 'string' && code.startsWith('ERR_');
  const named = full === undefined ? (known ? code : 'ERR_INTERNAL') : 'ERR_TOO_MANY_FILES';
  context.stderr(`${forTerminal(`stunmesh: ${full ?? message ?? String(error)} [${named}]`)}\n`);
  const verbose = ['debug', 'trace'].includes((program.opts() as { logLevel?: string }).logLevel ?? '');
  if (verbose && stack !== undefined) context.stderr(`${stack}\n`);
  return known && /^ERR_(CONFIG|PLUGIN|USAGE|EXEC)/.test(code) ? 2 : 1;
}

/** Broken between words where people read it; a line stays a line for programs. */
function forTerminal(text: string): string {
  return process.stderr.isTTY === true ? wrap(text, process.stderr.columns || 80, 2).join('\n') : text;
}
