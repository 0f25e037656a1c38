/** What people and editors read of the schema: a table of all keys, and JSON Schema in terms that every editor knows. */
import { FORMATS } from './formats.js';
import { CONFIG_SCHEMA } from './schema.js';
import type { Schema } from './schema-types.js';

/** A Markdown table of every key: path, type, default, meaning. */
export function formatReference(): string {
  const rows = rowsOf(CONFIG_SCHEMA, '').map(
    (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`,
  );
  return `${['| key | type | default | meaning |', '|---|---|---|---|', ...rows].join('\n')}\n`;
}

type Row = readonly [key: string, type: string, fallback: string, meaning: string];

/** Every key with its type, default and meaning, in Markdown; for the manual. */
export function referenceRows(): readonly Row[] {
  return rowsOf(CONFIG_SCHEMA, '');
}

function rowsOf(schema: Schema, path: string): Row[] {
  if (schema.oneOf) return variantRows(schema, schema.oneOf, path);
  const rows = Object.entries(schema.properties ?? {}).flatMap(([name, property]) =>
    isMapping(property)
      ? rowsOf(property, join(path, name))
      : [rowOf(property, join(path, name), schema.required?.includes(name))],
  );
  const rest = schema.additionalProperties;
  if (typeof rest !== 'object') return rows;
  const place = join(path, schema['x-name'] ?? 'NAME');
  return [...rows, ...(isMapping(rest) ? rowsOf(rest, place) : [rowOf(rest, place)])];
}

function isMapping(schema: Schema): boolean {
  return schema.type === 'object';
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

/** Keys that every variant has come first, then those of each. */
function variantRows(schema: Schema, variants: readonly Schema[], path: string): Row[] {
  const tag = schema.discriminator?.propertyName ?? '';
  const choicesOf = (variant: Schema): readonly string[] => variant.properties?.[tag]?.enum ?? [];
  const meanings = variants.map((variant) => variant.properties?.[tag]?.description ?? '').join(' ');
  const first: Row = [`\`${join(path, tag)}\``, words(variants.flatMap(choicesOf)), 'required', meanings];
  const keys = variants.map((variant) => Object.keys(variant.properties ?? {}));
  const shared = (name: string): boolean => keys.every((names) => names.includes(name));
  const common = rowsOf(
    pick(variants[0] ?? {}, (name) => name !== tag && shared(name)),
    path,
  );
  const own = variants.flatMap((variant) =>
    rowsOf(
      pick(variant, (name) => !shared(name)),
      path,
    ).map(
      ([key, type, fallback, meaning]): Row => [key, type, fallback, `(${choicesOf(variant).join(', ')}) ${meaning}`],
    ),
  );
  return [first, ...common, ...own];
}

function pick(schema: Schema, wanted: (name: string) => boolean): Schema {
  const properties = Object.fromEntries(Object.entries(schema.properties ?? {}).filter(([name]) => wanted(name)));
  return { ...schema, properties };
}

function rowOf(schema: Schema, key: string, required = false): Row {
  const fallback = schema.default === undefined ? '' : `\`${String(schema.default)}\``;
  const meaning = schema.deprecated ? `Deprecated. ${schema.description ?? ''}` : (schema.description ?? '');
  return [`\`${key}\``, typeOf(schema), required ? 'required' : fallback, meaning];
}

function typeOf(schema: Schema): string {
  if (schema.enum) return words(schema.enum);
  if (schema.format !== undefined) return schema.format.replaceAll('-', ' ');
  const types = [schema.type ?? 'text'].flat();
  return types
    .map((type) => (type === 'array' ? `list of ${typeOf(schema.items ?? {})}` : (NAMES[type] ?? type)))
    .join(' or ');
}

const NAMES: Readonly<Record<string, string>> = { string: 'text', integer: 'whole number', boolean: 'true, false' };

function words(list: readonly string[]): string {
  return list.map((word) => `\`${word}\``).join(', ');
}

/** JSON Schema draft 7 as text: formats of ours as patterns, annotations of ours left out. */
export function formatSchema(): string {
  return `${JSON.stringify(forEditors(CONFIG_SCHEMA), undefined, 2)}\n`;
}

function forEditors(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(forEditors);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).flatMap(([key, member]): [string, unknown][] => {
    if (key.startsWith('x-') || key === 'discriminator') return [];
    const format = key === 'format' && typeof member === 'string' ? FORMATS[member] : undefined;
    if (format) return [['pattern', format.pattern]];
    // whatever is written becomes text here, so an editor need not ask for quotes
    const free = key === 'type' && member === 'string' && !FORM_KEYS.some((form) => form in value);
    return [[key, free ? ['string', 'number', 'boolean'] : forEditors(member)]];
  });
  return Object.fromEntries(members);
}

const FORM_KEYS = ['format', 'enum', 'pattern'];
