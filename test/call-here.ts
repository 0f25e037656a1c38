/** The command in the test's own process, as the unit tests of the command call it. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from './architecture/source.js';

type CallHere = (
  argv: readonly string[],
  cwd: string,
  env?: NodeJS.ProcessEnv,
  more?: { readonly columns?: number; readonly errorColumns?: number },
) => Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;

const file = pathToFileURL(join(ROOT, 'packages/core/dist-test/cli/call-here.js')).href;

export const { callHere } = (await import(file)) as { readonly callHere: CallHere };
