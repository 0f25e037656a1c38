/** Exec protocol 0 (PROTOCOL.md): a JSON object each way. */
import { StunmeshError } from '@stunmesh/core/api';
import { checkValueText, failure } from './failure.js';
import { firstJsonObject } from './first-json.js';
import type { Finished } from './launch.js';
import type { Protocol, Request } from './protocol.js';

interface Answer {
  readonly success: boolean;
  readonly value: string;
  readonly error: string;
}

const TYPES = { success: 'boolean', value: 'string', error: 'string' } as const;

const unreadable = (what: string): StunmeshError =>
  new StunmeshError(
    'ERR_EXEC_OUTPUT',
    `${what}; wanted {"success":true,"value":"…"} or {"success":false,"error":"…"} on stdout`,
  );

/** The first JSON object on stdout; what follows is ignored, and so are unknown members. Names match in any letter case.
 * Errors: ERR_EXEC_OUTPUT, which never quotes the output. */
export function parseAnswerObject(stdout: string): Answer {
  const text = firstJsonObject(stdout);
  if (text === undefined) throw unreadable(`printed ${whatInstead(stdout)}`);
  let members: object;
  try {
    members = JSON.parse(text) as object;
  } catch {
    throw unreadable('printed something that is no JSON object');
  }
  const answer: { -readonly [K in keyof Answer]: Answer[K] } = { success: false, value: '', error: '' };
  for (const [written, value] of Object.entries(members)) {
    const name = written.toLowerCase();
    if (!isMember(name) || value === null) continue;
    if (typeof value !== TYPES[name]) throw unreadable(`printed "${name}" as a ${typeof value}, not a ${TYPES[name]}`);
    Object.assign(answer, { [name]: value });
  }
  return answer;
}

/** What stdout begins with where it is no JSON object. */
export function whatInstead(stdout: string): string {
  if (stdout.trim() === '') return 'nothing';
  const later = /\n\s*\{[^\n]*"success"/i.test(stdout);
  return later
    ? 'something else before its answer (what a program logs belongs on stderr)'
    : 'something that is no JSON object';
}

const isMember = (name: string): name is keyof typeof TYPES => Object.hasOwn(TYPES, name);

export const execProtocol: Protocol = {
  formatRequest(request: Request): string {
    const { action, key } = request;
    const value = request.action === 'set' ? { value: request.value } : {};
    return `${JSON.stringify({ action, key, ...value })}\n`;
  },

  parseAnswer(finished: Finished, request: Request): string | undefined {
    if (finished.exitCode !== 0) {
      // It may have said why, in the protocol's own way, before it gave up.
      let said = '';
      try {
        said = parseAnswerObject(finished.stdout).error;
      } catch {
        // Then stderr has to do.
      }
      throw failure(finished, said);
    }
    const answer = parseAnswerObject(finished.stdout);
    if (!answer.success) throw failure(finished, answer.error);
    // The protocol has no word for "absent"; an empty value cannot be a record (F33).
    return request.action === 'get' && answer.value !== '' ? checkValueText(answer.value) : undefined;
  },
};
