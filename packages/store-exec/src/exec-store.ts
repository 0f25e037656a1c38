/** A store that starts a program for each call and speaks exec protocol 0 or the shell protocol with it. */
import { type CallOptions, hasCode, isStunmeshError, type Store, StunmeshError } from '@stunmesh/core/api';
import { runChild } from './child.js';
import { createLaunchOptions, type ExecParts, type ExecStoreConfig } from './exec-config.js';
import { execProtocol } from './exec-protocol.js';
import { couldNotRun } from './failure.js';
import { makeFifos } from './fifos.js';
import { createTurns } from './in-turns.js';
import { checkInput } from './input.js';
import type { Finished } from './launch.js';
import { createRedactor, oneLine } from './one-line.js';
import type { Protocol, Request } from './protocol.js';
import { createScratch } from './scratch.js';
import { shellProtocol } from './shell-protocol.js';

/** Starts nothing until it is called (F32). */
export function createExecStore(config: ExecStoreConfig, parts: ExecParts): Store {
  const protocol: Protocol = config.type === 'shell' ? shellProtocol : execProtocol;
  const scratch = createScratch(makeFifos, parts.scratchFolder?.bind(parts));
  const launching = createLaunchOptions(config, parts);
  // The host keeps to that too, but lets go of a call as soon as its time is up: the process may still be there.
  const inTurn = createTurns(config.parallel ?? 1);
  const underWay = new Map<AbortController, Promise<unknown>>();
  const name = oneLine(config.command);
  let closed = false;

  /** It has answered a get by "no record" before. */
  let tellsAbsent = false;

  function parse(finished: Finished, request: Request): string | undefined {
    try {
      const answer = protocol.parseAnswer(finished, request);
      if (request.action === 'get' && answer === undefined) tellsAbsent = true;
      return answer;
    } catch (error) {
      const unclear =
        request.action === 'get' && !tellsAbsent && !couldNotRun(finished) && finished.endedBy === undefined;
      if (!unclear || !hasCode(error, 'ERR_EXEC_FAILED')) throw error;
      const { message, details } = error as StunmeshError;
      throw new StunmeshError(
        'ERR_EXEC_FAILED',
        `${message}; or the peer has written nothing yet: this program does not tell the two apart`,
        { details },
      );
    }
  }

  async function run(request: Request, signal: AbortSignal): Promise<string | undefined> {
    const finished = await runChild({
      ...launching(),
      input: protocol.formatRequest(request),
      scratch,
      clock: parts.clock,
      signal,
    });
    const answer = parse(finished, request);
    if (finished.stderr !== '') {
      parts.logger.debug(
        { command: name, action: request.action, stderr: oneLine(finished.stderr) },
        'a plugin wrote to stderr',
      );
    }
    return answer;
  }

  async function call(request: Request, { signal }: CallOptions): Promise<string | undefined> {
    if (closed) throw new StunmeshError('ERR_CLOSED', `${name}: the store is closed`);
    checkInput(request.key, request.action === 'set' ? request.value : undefined);
    signal.throwIfAborted();
    const controller = new AbortController();
    const onAbort = () => controller.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const running = inTurn(controller.signal, () => run(request, controller.signal));
    underWay.set(controller, running);
    try {
      return await running;
    } catch (error) {
      if (!isStunmeshError(error) || controller.signal.aborted) throw error;
      throw new StunmeshError(error.code, `${name}: ${createRedactor(launching().env)(error.message)}`, {
        retry: error.retry,
        details: error.details,
      });
    } finally {
      underWay.delete(controller);
      signal.removeEventListener('abort', onAbort);
    }
  }

  return {
    get: (key, options) => call({ action: 'get', key }, options),
    async set(key, value, options) {
      await call({ action: 'set', key, value }, options);
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      const reason = new StunmeshError('ERR_CLOSED', `${name}: the store is closed`);
      for (const controller of underWay.keys()) controller.abort(reason);
      await Promise.allSettled(underWay.values());
      scratch[Symbol.dispose]();
    },
  };
}
