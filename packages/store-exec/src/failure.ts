/** The error of a plugin that ended badly: how it ended and, made harmless, what it said. */
import { StunmeshError } from '@stunmesh/core/api';
import type { Finished } from './child.js';
import { oneLine } from './one-line.js';

/** ERR_EXEC_FAILED for a child that did not exit with 0, or that reported a failure by itself. */
export function failure(finished: Finished, said: string): StunmeshError {
  const { exitCode, endedBy } = finished;
  const how =
    endedBy === undefined
      ? exitCode === 0
        ? 'reports a failure'
        : `exited with status ${exitCode}`
      : `was ended by ${endedBy}`;
  const text = oneLine(said) || oneLine(finished.stderr) || 'without a word on stderr';
  return new StunmeshError('ERR_EXEC_FAILED', `${how}: ${text}`, {
    details: { ...(exitCode === undefined ? {} : { exitCode }), ...(endedBy === undefined ? {} : { endedBy }) },
  });
}
