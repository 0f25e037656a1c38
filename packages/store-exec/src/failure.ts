/** The error of a plugin that ended badly: how it ended and, made harmless, what it said. */
import { StunmeshError } from '@stunmesh/core/api';
import type { Finished } from './child.js';
import type { Exit } from './launch.js';
import { oneLine } from './one-line.js';

/** "exited with status 3", "was ended by SIGKILL". */
export function howItEnded({ exitCode, endedBy }: Exit): string {
  return endedBy === undefined ? `exited with status ${exitCode}` : `was ended by ${endedBy}`;
}

/** ERR_EXEC_FAILED for a child that did not exit with 0, or that reported a failure by itself. */
export function failure(finished: Finished, said: string): StunmeshError {
  const { exitCode, endedBy } = finished;
  const how = exitCode === 0 ? 'reports a failure' : howItEnded(finished);
  const text = oneLine(said) || oneLine(finished.stderr) || 'without a word on stderr';
  return new StunmeshError('ERR_EXEC_FAILED', `${how}: ${text}`, {
    details: { ...(exitCode === undefined ? {} : { exitCode }), ...(endedBy === undefined ? {} : { endedBy }) },
  });
}
