/** A store that starts a program for each call and speaks exec protocol 0 or the shell protocol with it. */
import { type CallOptions, isStunmeshError, type Store, StunmeshError } from '@stunmesh/core/api';
import { runChild } from './child.js';
import { createLaunchOptions, type ExecParts, type ExecStoreConfig } from './exec-config.js';
import { execProtocol } from './exec-protocol.js';
import { makeFifos } from './fifos.js';
import { checkInput } from './input.js';
import { oneLine } from './one-line.js';
import type { Protocol, Request } from './protocol.js';
import { createScratch } from './scratch.js';
import { shellProtocol } from './shell-protocol.js';

/** Starts nothing until it is called (F32). */
export function createExecStore(config: ExecStoreConfig, parts: ExecParts): Store {
  const protocol: Protocol = config.type === 'shell' ? shellProtocol : execProtocol;
  const scratch = createScratch(makeFifos, parts.scratchFolder?.bind(parts));
  const launching = createLaunchOptions(config, parts);
  const underWay = new Map<AbortController, Promise<unknown>>();
  const name = oneLine(config.command);
  let closed = false;

  async function run(request: Request, signal: AbortSignal): Promise<string | undefined> {
    const finished = await runChild({
      ...launching(),
      input: protocol.formatRequest(request),
      scratch,
      clock: parts.clock,
      signal,
    });
    const answer = protocol.parseAnswer(finished, request);
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
    const running = run(request, controller.signal);
    underWay.set(controller, running);
    try {
      return await running;
    } catch (error) {
      if (!isStunmeshError(error) || controller.signal.aborted) throw error;
      throw new StunmeshError(error.code, `${name}: ${error.message}`, {
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
