/** The error of a plugin that ended badly: how it ended and, made harmless, what it said. */
import { StunmeshError } from '@stunmesh/core/api';
import type { Exit, Finished } from './launch.js';
import { oneLine } from './one-line.js';

/** What shells and env(1) exit with when they find no program, or may not run it. */
const MISSING: Readonly<Record<number, string>> = {
  126: 'a program that it uses, or its interpreter, may not be executed',
  127: 'a program that it uses, or its interpreter, is missing',
};

/** It ran into a missing program, or one that it may not run: nothing that the store did. */
export function couldNotRun({ exitCode }: Exit): boolean {
  return exitCode !== undefined && MISSING[exitCode] !== undefined;
}

/** "exited with status 3", "was ended by SIGKILL". */
export function howItEnded({ exitCode, endedBy, fault }: Exit & { readonly fault?: string }): string {
  if (endedBy !== undefined) return `was ended by ${endedBy}`;
  const why = fault ?? (exitCode === undefined ? undefined : MISSING[exitCode]);
  return `exited with status ${exitCode}${why === undefined ? '' : ` (${why})`}`;
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

/** What a program answers as its value, looked at for what is none. Errors: ERR_EXEC_OUTPUT, which never quotes it. */
export function checkValueText(value: string): string {
  if (/^[0-9a-fA-F]+\r$/.test(value))
    throw notAValue('its value ends in a carriage return; have it write Unix line ends');
  if (/\s/.test(value)) {
    const what = /\n/.test(value.trim()) ? 'more than one line' : 'a value with white space';
    throw notAValue(`printed ${what}; stdout is for the value alone, and what a program logs belongs on stderr`);
  }
  return value;
}

const notAValue = (what: string): StunmeshError => new StunmeshError('ERR_EXEC_OUTPUT', what);
