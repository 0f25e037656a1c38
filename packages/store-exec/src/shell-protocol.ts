/** The shell protocol (PROTOCOL.md): assignments on stdin, meant for `. /dev/stdin`; the value as it is on stdout. */

import { checkValueText, failure } from './failure.js';
import type { Finished } from './launch.js';
import type { Protocol, Request } from './protocol.js';

export const shellProtocol: Protocol = {
  formatRequest(request: Request): string {
    const lines = [`STUNMESH_ACTION=${request.action}`, `STUNMESH_KEY=${request.key}`];
    // Keys and values are plain hex by now, so nothing here can be code (F37).
    if (request.action === 'set') lines.push(`STUNMESH_VALUE=${request.value}`);
    return `${lines.join('\n')}\n`;
  },

  parseAnswer(finished: Finished, request: Request): string | undefined {
    if (finished.exitCode !== 0) throw failure(finished, finished.stderr);
    const value = finished.stdout.trim();
    return request.action === 'get' && value !== '' ? checkValueText(value) : undefined;
  },
};
