/** Runs one child to its end: bounded output, deadline by the signal, its whole process group ended, always reaped (F31). */
import { type Clock, StunmeshError } from '@stunmesh/core/api';
import { couldNotRun } from './failure.js';
import { type Finished, type LaunchOptions, launch } from './launch.js';
import { createRedactor } from './one-line.js';
import { gatherOutput, MAX_OUTPUT } from './output.js';
import { endGroup, ownGroup } from './process-group.js';
import { scriptFault } from './script-fault.js';

/** How long output may still come once the child itself has ended, in milliseconds: a helper in its pipeline may be the last to write. */
const DRAIN_MS = 250;

export interface ChildOptions extends LaunchOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Most that it may print to stdout, in bytes; default MAX_OUTPUT. */
  readonly maxStdout?: number;
}

/** Resolves when the child and its group are gone.
 * Errors: the signal's reason, ERR_EXEC_SPAWN (it did not start), ERR_EXEC_OUTPUT (it printed too much). */
export async function runChild(options: ChildOptions): Promise<Finished> {
  const { clock, signal, maxStdout = MAX_OUTPUT } = options;
  signal.throwIfAborted();
  const child = await launch(options);
  const disown = ownGroup(child.pid);
  const enough = new AbortController();
  let ending: Promise<void> | undefined;
  const end = (): void => {
    ending ??= endGroup(child.pid, clock);
    enough.abort();
  };
  const stdout = gatherOutput(child.stdout, end, maxStdout);
  const stderr = gatherOutput(child.stderr, end);
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  try {
    const exit = await child.exited;
    const drain = clock.sleep(DRAIN_MS, enough.signal).catch(() => {});
    await Promise.race([Promise.all([stdout.over, stderr.over]), drain]);
    // Also after success: what the child left running in its group must not pile up.
    end();
    await ending;
    signal.throwIfAborted();
    const full = stdout.full ? 'stdout' : stderr.full ? 'stderr' : undefined;
    if (full !== undefined) {
      const most = stdout.full ? maxStdout : MAX_OUTPUT;
      throw new StunmeshError('ERR_EXEC_OUTPUT', `printed more than ${most} bytes to ${full} and was ended`);
    }
    const fault = couldNotRun(exit) ? scriptFault(options.command, options.env['PATH']) : undefined;
    return {
      ...exit,
      stdout: stdout.text(),
      stderr: createRedactor(options.env)(stderr.text()),
      ...(fault === undefined ? {} : { fault }),
    };
  } finally {
    signal.removeEventListener('abort', end);
    // Somebody outside the group may hold the pipes; nobody waits for him.
    child.release(stdout.ended, stderr.ended);
    disown();
  }
}
