/** Checks an instance's own keys against its module's schema, and says where and what is allowed (F40). */
import { isStunmeshError, StunmeshError } from '../api/index.js';
import { formatPath, type Problem } from '../config/explain.js';
import type { Path } from '../config/types.js';
import { validate } from '../config/validate.js';
import { oneLine } from '../store/error-mapping.js';

/** Says where in the configuration a path stands: "config.yaml:7:5: plugins.files.path". */
export type Explain = (path: Path) => string;

/** The configuration's own check of an instance, which also converts weak types; LoadedConfig has one. */
export type CheckSettings = (plugin: string, schema: object) => Promise<Readonly<Record<string, unknown>>>;

export interface SettingsOptions {
  readonly schema: object;
  readonly settings: Readonly<Record<string, unknown>>;
  /** The instance's name; its path in the configuration is plugins.NAME. */
  readonly instance: string;
  /** For messages: the module that the schema is of. */
  readonly module: string;
  readonly explain?: Explain | undefined;
  readonly checkSettings?: CheckSettings | undefined;
}

/** The settings as the module wants them. Errors: ERR_CONFIG_INVALID; ERR_PLUGIN_INVALID for a schema that is none. */
export async function readSettings(options: SettingsOptions): Promise<Readonly<Record<string, unknown>>> {
  const { schema, instance, explain = formatPath, checkSettings } = options;
  const settings = structuredClone(options.settings);
  let problems: readonly Problem[];
  try {
    if (checkSettings) return await checkSettings(instance, schema);
    problems = await validate(schema, settings, ['plugins', instance]);
  } catch (error) {
    if (isStunmeshError(error)) throw error;
    const text = oneLine(error instanceof Error ? error.message : String(error));
    throw new StunmeshError('ERR_PLUGIN_INVALID', `${options.module}: its configSchema is not a JSON Schema: ${text}`);
  }
  if (problems.length === 0) return settings;
  const lines = problems.map(({ path, what, allowed, suggestion }) =>
    [`${explain(path)}: ${what}`, allowed, suggestion && `did you mean ${JSON.stringify(suggestion)}?`]
      .filter(Boolean)
      .join('; '),
  );
  throw new StunmeshError('ERR_CONFIG_INVALID', [...new Set(lines)].join('\n'));
}
