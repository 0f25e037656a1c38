/** Validation by ajv, its findings told in our words. */
import type { ErrorObject } from 'ajv';
import { compile } from './compile.js';
import { MOST_PROBLEMS, type Problem } from './explain.js';
import { FORMATS } from './formats.js';
import type { Schema } from './schema-types.js';
import { isSecretName } from './secrets.js';
import { suggest } from './suggest.js';
import type { Path } from './types.js';

/** What is wrong with `value`, and no more than a little above MOST_PROBLEMS of it; `base` is where it stands in the file.
 * Throws what ajv throws when the schema itself is wrong. */
export async function validate(schema: object, value: unknown, base: Path = []): Promise<Problem[]> {
  const check = await compile(schema);
  if (check(value)) return [];
  const problems: Problem[] = [];
  for (const error of check.errors ?? []) {
    const problem = explainError(error, value);
    if (problem) problems.push({ ...problem, path: [...base, ...problem.path] });
    if (problems.length > MOST_PROBLEMS) break;
  }
  return problems;
}

/** An ajv error as a problem; undefined for one that only repeats others. */
function explainError(error: ErrorObject, value: unknown): Problem | undefined {
  const path = pathOf(error.instancePath, value);
  const schema = (error.parentSchema ?? {}) as Schema;
  const params = error.params as Record<string, unknown>;
  const allowed = allowedBy(schema);
  switch (error.keyword) {
    case 'additionalProperties':
      return unknownKey(path, String(params['additionalProperty']), Object.keys(schema.properties ?? {}));
    case 'required':
      return missingKey(path, String(params['missingProperty']), schema);
    case 'type':
      return wrongType(path, error.data, schema);
    case 'discriminator':
      return wrongVariant(path, params, schema);
    case 'enum':
      return { path, what: wrongValue(error.data, path), allowed, suggestion: near(error.data, schema.enum) };
    case 'format':
      return wrongFormat(path, String(error.data), String(params['format']), error.propertyName);
    case 'minLength':
    case 'minItems':
      return { path, what: 'empty', allowed };
    case 'propertyNames':
    case 'oneOf':
      return undefined;
    case 'minimum':
    case 'maximum':
      return { path, what: wrongValue(error.data, path), allowed: allowed ?? error.message };
    default:
      return { path, what: `${wrongValue(error.data, path)} (it ${error.message ?? 'is not valid'})`, allowed };
  }
}

/** Words of YAML 1.1 and of people that are neither true nor false here. */
const YES_NO: Readonly<Record<string, string>> = {
  yes: 'true',
  on: 'true',
  y: 'true',
  no: 'false',
  off: 'false',
  n: 'false',
};

function wrongType(path: Path, value: unknown, schema: Schema): Problem {
  const needed = allowedTypes(schema);
  const word = needed === TYPE_NAMES['boolean'] && typeof value === 'string' ? value.toLowerCase() : '';
  const suggestion = word === '' ? undefined : (YES_NO[word] ?? suggest(word, ['true', 'false']));
  return { path, what: `${nameOf(value)} where ${needed} is needed`, allowed: allowedBy(schema), suggestion };
}

function unknownKey(path: Path, key: string, known: readonly string[]): Problem {
  const allowed = known.length === 0 ? 'allowed here: none' : `allowed here: ${known.join(', ')}`;
  return { path: [...path, key], atKey: true, what: 'unknown key', allowed, suggestion: suggest(key, known) };
}

function missingKey(path: Path, key: string, schema: Schema): Problem {
  const property = schema.properties?.[key];
  return { path: [...path, key], atKey: true, what: 'missing', allowed: property && allowedBy(property) };
}

function wrongVariant(path: Path, params: Record<string, unknown>, schema: Schema): Problem {
  const tag = String(params['tag']);
  const given = params['tagValue'];
  const choices = (schema.oneOf ?? []).flatMap((variant) => variant.properties?.[tag]?.enum ?? []);
  const allowed = `allowed: ${choices.join(', ')}`;
  if (given === undefined) return { path: [...path, tag], atKey: true, what: 'missing', allowed };
  return { path: [...path, tag], what: wrongValue(given, [tag]), allowed, suggestion: near(given, choices) };
}

function wrongFormat(path: Path, text: string, name: string, key: string | undefined): Problem {
  const format = FORMATS[name];
  // a format under propertyNames speaks of a key of the mapping at `path`
  const place = key === undefined ? { path } : { path: [...path, key], atKey: true };
  if (!format) return { ...place, what: wrongValue(text, path), allowed: `allowed: the format ${name}` };
  return {
    ...place,
    what: format.check(text) ?? 'not valid',
    allowed: `allowed: ${format.allowed}`,
    suggestion: format.suggest?.(text),
  };
}

/** Quotes what was written, but neither secrets nor more than a line of it. */
function wrongValue(value: unknown, path: Path): string {
  if (typeof value === 'object' && value !== null) return nameOf(value);
  if (path.some((part) => isSecretName(String(part)))) return 'the value is not allowed';
  const text = JSON.stringify(value);
  return `${text.length > 80 ? `${text.slice(0, 77)}…"` : text} is not allowed`;
}

function near(value: unknown, candidates: readonly unknown[] | undefined): string | undefined {
  return suggest(String(value), (candidates ?? []).map(String));
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  object: 'a mapping (key: value)',
  array: 'a list',
  string: 'a text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  null: 'nothing',
};

function allowedTypes(schema: Schema): string {
  const types = schema.type === undefined ? [] : [schema.type].flat();
  return types.map((type) => TYPE_NAMES[type] ?? type).join(' or ');
}

function nameOf(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'number') return 'a number';
  return TYPE_NAMES[typeof value] ?? typeof value;
}

function allowedBy(schema: Schema): string | undefined {
  const words = schema['x-allowed'] ?? schema.enum?.join(', ') ?? FORMATS[schema.format ?? '']?.allowed;
  if (words !== undefined) return `allowed: ${words}`;
  const { minimum, maximum } = schema;
  return minimum === undefined || maximum === undefined ? undefined : `allowed: ${minimum} to ${maximum}`;
}

/** A JSON pointer as a path, with numbers where `value` has lists. */
function pathOf(pointer: string, value: unknown): (string | number)[] {
  const path: (string | number)[] = [];
  let current = value;
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    const key = Array.isArray(current) ? Number(name) : name;
    path.push(key);
    current =
      typeof current === 'object' && current !== null ? (current as Record<string | number, unknown>)[key] : undefined;
  }
  return path;
}
