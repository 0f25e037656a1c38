/** loadConfig: find, read, parse, coerce, validate, build; every problem of a file is reported at once. */
import { StunmeshError } from '../api/errors.js';
import { buildConfig } from './build.js';
import { coerce } from './coerce.js';
import {
  formatPath,
  formatPosition,
  formatProblems,
  locate,
  MOST_PROBLEMS,
  type Problem,
  pathOfKey,
} from './explain.js';
import { type FindOptions, type FoundFile, findConfig } from './find.js';
import { checkRules } from './rules.js';
import { CONFIG_SCHEMA, type RawConfig } from './schema.js';
import type { Schema } from './schema-types.js';
import { parseSource, positionOf, type Source, type Tree } from './source.js';
import type { Config, LoadedConfig } from './types.js';
import { notUtf8 } from './utf8.js';
import { validate } from './validate.js';
import { collectWarnings } from './warnings.js';
import { writablePrograms } from './writable.js';

export interface LoadOptions extends FindOptions {
  /** Only for warnings about keys that have no effect here. Default: this one. */
  readonly platform?: NodeJS.Platform;
}

/** Reads the configuration. Errors: ERR_CONFIG_NOT_FOUND (lists all places searched), ERR_CONFIG_READ, ERR_CONFIG_SYNTAX,
 * ERR_CONFIG_INVALID (its message has all problems, one a line: file:line:column: path: what; allowed; suggestion). */
export async function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  const found = await findConfig(options);
  return loadedConfig(found, await parseConfig(found, options.platform), options.env);
}

/** What is known of a file once it is valid; it can be handed from one thread to another. */
export interface ParsedConfig {
  readonly config: Config;
  readonly warnings: readonly string[];
  /** For positions, and for the settings that a plugin's own schema is for. */
  readonly source: Pick<Source, 'root' | 'lineStarts'>;
}

/** Errors: ERR_CONFIG_SYNTAX, ERR_CONFIG_INVALID. */
export async function parseConfig(found: FoundFile, platform = process.platform): Promise<ParsedConfig> {
  const source = await readSource(found);
  const raw = await check(found, source, source.root, CONFIG_SCHEMA, [], source.duplicates);
  const config = buildConfig(raw as RawConfig, found.path);
  const warnings = collectWarnings({ raw: raw as RawConfig, config, found, source, platform });
  return { config, warnings, source };
}

/** What the rest of the program is given; looks at the programs that the file names. */
export async function loadedConfig(
  found: FoundFile,
  { config, warnings, source }: ParsedConfig,
  env: LoadOptions['env'],
): Promise<LoadedConfig> {
  const writable = await writablePrograms(config, env);
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
    const { line, column } = notUtf8(bytes);
    throw new StunmeshError('ERR_CONFIG_SYNTAX', `${shownAs}:${line}:${column}: not UTF-8 text; save it as UTF-8`, {
      details: { file },
    });
  }
  const source = await parseSource(text);
  if (source.errors.length === 0) return source;
  const lines = source.errors.map(({ offset, text }) => `${formatPosition(shownAs, source, offset)}: ${text}`);
  throw new StunmeshError('ERR_CONFIG_SYNTAX', [...new Set(lines)].join('\n'), { details: { file } });
}

/** The value of `tree` by a schema, when nothing is wrong with it. Errors: ERR_CONFIG_INVALID. */
async function check(
  found: FoundFile,
  source: ParsedConfig['source'],
  tree: Tree | undefined,
  schema: Schema | object,
  base: readonly string[],
  duplicates: Source['duplicates'] = [],
): Promise<unknown> {
  const whole = base.length === 0;
  const problems: Problem[] = duplicates.map((twice) => duplicateKey(source, twice));
  const raw = coerce(tree, schema, (key, offset, firstOffset) => {
    if (problems.length <= MOST_PROBLEMS) problems.push(duplicateKey(source, { key, offset, firstOffset }));
  });
  problems.push(...(await validate(schema, raw, base)), ...(whole ? checkRules(raw) : []));
  if (problems.length === 0) return raw;
  throw new StunmeshError('ERR_CONFIG_INVALID', formatProblems(found.shownAs, source, problems).join('\n'), {
    details: { file: found.path, problems: problems.length },
  });
}

function duplicateKey(
  source: ParsedConfig['source'],
  { key, offset, firstOffset }: Source['duplicates'][number],
): Problem {
  const { line } = positionOf(source, firstOffset);
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
