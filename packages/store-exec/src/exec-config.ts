/** What the configuration says of an exec or shell plugin. */
import type { Clock, Logger } from '@stunmesh/core/api';
import { childEnvironment } from './environment.js';
import type { LaunchOptions } from './launch.js';
import { oneLine } from './one-line.js';

export interface ExecStoreConfig {
  readonly type: 'exec' | 'shell';
  /** Which exec protocol the program speaks; default 0. Nothing of protocol 1 is ever sent to a program of protocol 0. */
  readonly protocol?: 0 | 1;
  /** A path, or a name that is looked up in the child's PATH. */
  readonly command: string;
  readonly args?: readonly string[];
  /** How many calls may run at a time; default: one, or what protocol 1 allows. */
  readonly parallel?: number;
  /** Added to the child's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** True: the child's environment is `env` alone. */
  readonly env_clear?: boolean;
}

export interface ExecParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** These are StoreComponents' own. */
  firewallMark?(): number;
  scratchFolder?(): string;
  readonly secretVariables?: readonly string[];
}

type Launching = Omit<LaunchOptions, 'input' | 'scratch'>;

/** How to start the program, told anew for each start: the mark of a tunnel that takes over the default way stands in
 * STUNMESH_FWMARK, as wg(8) shows it, and is said once, as nobody but the program can put it on its sockets. */
export function createLaunchOptions(
  config: ExecStoreConfig,
  { logger, firewallMark, secretVariables }: Pick<ExecParts, 'logger' | 'firewallMark' | 'secretVariables'>,
): () => Launching {
  /** Our environment is that of our start, and costs time to copy. */
  const plain = launchOptions(config, secretVariables);
  let marked: { readonly mark: number; readonly options: Launching } | undefined;
  return () => {
    const mark = firewallMark?.() ?? 0;
    if (mark === 0) return plain;
    const text = `0x${mark.toString(16)}`;
    if (!marked)
      logger.warn(
        { command: oneLine(config.command), mark: text },
        'a tunnel takes over the default way: the plugin has to put the mark in STUNMESH_FWMARK on its sockets, or a dead tunnel swallows them',
      );
    if (marked?.mark !== mark)
      marked = {
        mark,
        options: launchOptions({ ...config, env: { STUNMESH_FWMARK: text, ...config.env } }, secretVariables),
      };
    return marked.options;
  };
}

export function launchOptions(config: ExecStoreConfig, secret?: readonly string[]): Launching {
  return { command: config.command, args: config.args ?? [], env: childEnvironment(process.env, config, secret) };
}
