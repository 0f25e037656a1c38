/** What the configuration says of an exec or shell plugin. */
import type { Clock, Logger } from '@stunmesh/core/api';
import { childEnvironment } from './environment.js';
import type { LaunchOptions } from './launch.js';

export interface ExecStoreConfig {
  readonly type: 'exec' | 'shell';
  /** Which exec protocol the program speaks; default 0. Nothing of protocol 1 is ever sent to a program of protocol 0. */
  readonly protocol?: 0 | 1;
  /** A path, or a name that is looked up in the child's PATH. */
  readonly command: string;
  readonly args?: readonly string[];
  /** Added to the child's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** True: the child's environment is `env` alone. */
  readonly env_clear?: boolean;
}

export interface ExecParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

export function launchOptions(config: ExecStoreConfig): Omit<LaunchOptions, 'input' | 'scratch'> {
  return { command: config.command, args: config.args ?? [], env: childEnvironment(process.env, config) };
}
