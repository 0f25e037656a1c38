/** One request of protocol 1 to one process: asked on stdin, answered on stdout, over. */
import { type Clock, type Logger, StunmeshError } from '@stunmesh/core/api';
import { runChild } from './child.js';
import { whatInstead } from './exec-protocol.js';
import { failure } from './failure.js';
import { firstJsonObject } from './first-json.js';
import type { LaunchOptions } from './launch.js';
import { expectSuccess, formatRequest, type Message, type PluginRequest, parseMessage } from './messages.js';
import { oneLine } from './one-line.js';
import { MAX_OUTPUT } from './output.js';
import { MANY_KEY_BYTES } from './session.js';

export interface SingleCallOptions extends Omit<LaunchOptions, 'input'> {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A successful answer. Errors: those of runChild, ERR_EXEC_FAILED, ERR_EXEC_OUTPUT, and what the plugin reports. */
export async function callOnce(
  options: SingleCallOptions,
  request: PluginRequest,
  signal: AbortSignal,
): Promise<Message> {
  const keys = request.action === 'getMany' ? request.keys.length : 0;
  const finished = await runChild({
    ...options,
    input: formatRequest(request, 1),
    maxStdout: MAX_OUTPUT + keys * MANY_KEY_BYTES,
    signal,
  });
  const { stdout, stderr, exitCode } = finished;
  if (stderr !== '')
    options.logger.debug({ action: request.action, stderr: oneLine(stderr) }, 'a plugin wrote to stderr');
  const text = firstJsonObject(stdout);
  if (exitCode !== 0) {
    // A failure that it reported in so many words counts for more than its exit status.
    const said = text === undefined ? undefined : tryParse(text);
    if (said?.['success'] === false) expectSuccess(said, stderr);
    throw failure(finished, '');
  }
  if (text === undefined) {
    throw new StunmeshError(
      'ERR_EXEC_OUTPUT',
      `printed ${whatInstead(stdout)}; wanted an answer such as {"success":true} on stdout`,
    );
  }
  return expectSuccess(parseMessage(text), stderr);
}

function tryParse(text: string): Message | undefined {
  try {
    return parseMessage(text);
  } catch {
    return undefined;
  }
}
