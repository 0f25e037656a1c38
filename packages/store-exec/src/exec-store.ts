/** A store that starts a program for each call and speaks exec protocol 0 or the shell protocol with it. */
import {
  type CallOptions,
  type Clock,
  isStunmeshError,
  type Logger,
  type Store,
  StunmeshError,
} from '@stunmesh/core/api';
import { runChild } from './child.js';
import { childEnvironment } from './environment.js';
import { execProtocol } from './exec-protocol.js';
import { makeFifos } from './fifos.js';
import { oneLine } from './one-line.js';
import type { Protocol, Request } from './protocol.js';
import { createScratch } from './scratch.js';
import { shellProtocol } from './shell-protocol.js';

export interface ExecStoreConfig {
  readonly type: 'exec' | 'shell';
  /** A path, or a name that is looked up in the child's PATH. */
  readonly command: string;
  readonly args?: readonly string[];
  /** Added to the child's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** True: the child's environment is `env` alone. */
  readonly env_clear?: boolean;
}

const KEY = /^[0-9a-f]{40}$/;
const VALUE = /^[0-9a-fA-F]+$/;

/** Starts nothing until it is called (F32). */
export function createExecStore(
  config: ExecStoreConfig,
  parts: { readonly clock: Clock; readonly logger: Logger },
): Store {
  const protocol: Protocol = config.type === 'shell' ? shellProtocol : execProtocol;
  const scratch = createScratch(makeFifos);
  const underWay = new Map<AbortController, Promise<unknown>>();
  const name = oneLine(config.command);
  let closed = false;

  async function run(request: Request, signal: AbortSignal): Promise<string | undefined> {
    const finished = await runChild({
      command: config.command,
      args: config.args ?? [],
      env: childEnvironment(process.env, config),
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
    // A shell plugin sources what it is given (F37).
    if (!KEY.test(request.key))
      throw new StunmeshError('ERR_STORE_INPUT', 'a key has 40 lower-case hexadecimal digits');
    if (request.action === 'set' && !VALUE.test(request.value))
      throw new StunmeshError('ERR_STORE_INPUT', 'a value is hexadecimal text');
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
