/** The command's start: calls it with what this process has. */
import { call } from './call.js';
import type { CliContext } from './context.js';

const { stdout, stderr } = process;

const context: CliContext = {
  env: process.env,
  cwd: process.cwd(),
  program: process.argv[1] ?? '',
  colour: stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === '',
  get columns() {
    return stdout.isTTY ? stdout.columns : undefined;
  },
  get rows() {
    return stdout.isTTY ? stdout.rows : undefined;
  },
  get errorColumns() {
    return stderr.isTTY ? stderr.columns || 80 : undefined;
  },
  status: 0,
  outlivesOutput: false,
  stdout: (text) => stdout.write(text),
  stderr: (text) => stderr.write(text),
  signals: process,
  flushed: async () => {
    for (const stream of [stdout, stderr]) await new Promise<void>((resolve) => stream.write('', () => resolve()));
  },
  exit: () => process.exit(context.status),
};

// A reader that went away (a pipe into head) is no failure of ours.
stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  if (!context.outlivesOutput) process.exit(code === 'EPIPE' ? 0 : 1);
});
stderr.on('error', () => undefined);

await call(process.argv.slice(2), context);
process.exitCode = context.status;
