/** loadConfig: find, read, parse, coerce, validate, build; every problem of a file is reported at once. */
import { StunmeshError } from '../api/errors.js';
import { buildConfig } from './build.js';
import { coerce } from './coerce.js';
import { formatPath, formatPosition, formatProblems, locate, type Problem, pathOfKey } from './explain.js';
import { type FindOptions, type FoundFile, findConfig } from './find.js';
import { checkRules } from './rules.js';
import { CONFIG_SCHEMA, type RawConfig } from './schema.js';
import type { Schema } from './schema-types.js';
import { parseSource, type Source, type Tree } from './source.js';
import type { LoadedConfig } from './types.js';
import { validate } from './validate.js';
import { collectWarnings } from './warnings.js';
import { writablePrograms } from './writable.js';

export interface LoadOptions extends FindOptions {
  /** Only for warnings about keys that have no effect here. Default: this one. */
  readonly platform?: NodeJS.Platform;
}

/** Reads the configuration. Errors: ERR_CONFIG_NOT_FOUND (lists all places searched), ERR_CONFIG_READ, ERR_CONFIG_WRITABLE, ERR_CONFIG_SYNTAX,
 * ERR_CONFIG_INVALID (its message has all problems, one a line: file:line:column: path: what; allowed; suggestion). */
export async function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  const found = await findConfig(options);
  const source = await readSource(found);
  const raw = await check(found, source, source.root, CONFIG_SCHEMA, []);
  const config = buildConfig(raw as RawConfig, found.path);
  const platform = options.platform ?? process.platform;
  const warnings = collectWarnings({ raw: raw as RawConfig, config, found, source, platform });
  const writable = await writablePrograms(config, options.env);
  return {
    config,
    warnings: [...warnings, ...writable.map((text) => `${found.shownAs}: ${text}`)],
    explain: (path) => `${formatPosition(found.shownAs, source, locate(source.root, path))}: ${formatPath(path)}`,
    checkSettings: async (plugin, schema) => {
      const settings = settingsOf(source.root, plugin);
      return (await check(found, source, settings, schema, ['plugins', plugin])) as Readonly<Record<string, unknown>>;
    },
  };
}

async function readSource(found: FoundFile): Promise<Source> {
  const { shownAs, path: file, bytes } = found;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new StunmeshError('ERR_CONFIG_SYNTAX', `${shownAs}: not UTF-8 text; save it as UTF-8`, { details: { file } });
  }
  const source = await parseSource(text);
  if (source.errors.length === 0) return source;
  const lines = source.errors.map(({ offset, text }) => `${formatPosition(shownAs, source, offset)}: ${text}`);
  throw new StunmeshError('ERR_CONFIG_SYNTAX', [...new Set(lines)].join('\n'), { details: { file } });
}

/** The value of `tree` by a schema, when nothing is wrong with it. Errors: ERR_CONFIG_INVALID. */
async function check(
  found: FoundFile,
  source: Source,
  tree: Tree | undefined,
  schema: Schema | object,
  base: readonly string[],
): Promise<unknown> {
  const whole = base.length === 0;
  const problems: Problem[] = whole ? source.duplicates.map((twice) => duplicateKey(source, twice)) : [];
  const raw = coerce(tree, schema, (key, offset, firstOffset) =>
    problems.push(duplicateKey(source, { key, offset, firstOffset })),
  );
  problems.push(...(await validate(schema, raw, base)), ...(whole ? checkRules(raw) : []));
  if (problems.length === 0) return raw;
  throw new StunmeshError('ERR_CONFIG_INVALID', formatProblems(found.shownAs, source, problems).join('\n'), {
    details: { file: found.path, problems: problems.length },
  });
}

function duplicateKey(source: Source, { key, offset, firstOffset }: Source['duplicates'][number]): Problem {
  const { line } = source.position(firstOffset);
  const path = [...pathOfKey(source.root, firstOffset).slice(0, -1), key];
  return {
    path,
    offset,
    what: `the key stands twice, first in line ${line}`,
    allowed: 'keep one; letter case makes no other key',
  };
}

const HOST_KEYS = new Set(['type', 'name', 'timeout', 'dedup']);

/** A plugin's own keys, without those of the host. */
function settingsOf(root: Tree | undefined, plugin: string): Tree | undefined {
  const plugins = member(root, 'plugins');
  const tree = plugins?.kind === 'map' ? plugins.entries.get(plugin)?.tree : undefined;
  if (tree?.kind !== 'map') return undefined;
  const isBuiltin = (key: string) => !HOST_KEYS.has(key.toLowerCase());
  return { ...tree, entries: new Map([...tree.entries].filter(([key]) => isBuiltin(key))) };
}

function member(tree: Tree | undefined, name: string): Tree | undefined {
  if (tree?.kind !== 'map') return undefined;
  for (const [key, entry] of tree.entries) if (key.toLowerCase() === name) return entry.tree;
  return undefined;
}
