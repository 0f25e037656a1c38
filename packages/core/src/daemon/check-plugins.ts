/** What a start would find wrong with the plugins of a configuration, without starting anything (F71). */
import { type ErrorCode, isStunmeshError, StunmeshError } from '../api/index.js';
import type { LoadedConfig } from '../config/index.js';
import { type CompositionOptions, createHost } from './components.js';

/** Loads every module that the file asks for, validates its settings and opens it, which does no I/O (F32), and closes it again; in the
 * order of the file. */
export async function checkPlugins(
  options: Pick<CompositionOptions, 'clock' | 'logger' | 'preloaded'>,
  loaded: LoadedConfig,
): Promise<readonly StunmeshError[]> {
  const host = createHost(options, loaded);
  const found: StunmeshError[] = [];
  const attempt = async (work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      found.push(isStunmeshError(error) ? error : new StunmeshError('ERR_INTERNAL', String(error), { cause: error }));
    }
  };
  await attempt(() => host.loadCapture(loaded.config.capture));
  for (const plugin of loaded.config.plugins.values())
    await attempt(async () => (await host.openStore(plugin)).close());
  return found;
}

/** One error of all of them, each in a line of its own; undefined: there are none. */
export function joinErrors(errors: readonly StunmeshError[]): StunmeshError | undefined {
  const [first, ...others] = errors;
  if (!first || others.length === 0) return first;
  const lines = [...new Set(errors.flatMap(({ message }) => message.split('\n')))];
  return new StunmeshError(first.code as ErrorCode, lines.join('\n'), { details: { problems: lines.length } });
}
