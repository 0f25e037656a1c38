/** Weak typing by a schema: key case, quoted scalars, comma lists, defaults. What cannot be converted stays, for validation to refuse. */
import type { Schema, TypeName } from './schema-types.js';
import type { MapTree, ScalarTree, Tree } from './source.js';

/** Called for a key that repeats another one in a different letter case. */
export type OnDuplicate = (key: string, offset: number, firstOffset: number) => void;

/** Formats whose empty text stands for "none", as a template without a value leaves it; so it is with words of a choice. */
const EMPTY_MEANS_ABSENT: ReadonlySet<string> = new Set(['host', 'stun-server', 'host-port', 'prefix']);

const TRUE = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const FALSE = new Set(['', '0', 'f', 'F', 'FALSE', 'false', 'False']);
const WHOLE_NUMBER = /^[+-]?\d+$|^0[xX][0-9a-fA-F]+$|^0[oO][0-7]+$|^0[bB][01]+$/;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** The value of `tree` as `schema` wants it, with defaults filled in; undefined: absent. */
export function coerce(tree: Tree | undefined, schema: Schema, onDuplicate: OnDuplicate): unknown {
  const types = typesOf(schema);
  const empty = tree === undefined || (tree.kind === 'scalar' && tree.value === null);
  if (types.includes('object')) {
    // an empty list is an empty mapping where types are weak
    if (empty || (tree.kind === 'list' && tree.items.length === 0)) return coerceMap(undefined, schema, onDuplicate);
    return tree.kind === 'map' ? coerceMap(tree, schema, onDuplicate) : toPlain(tree);
  }
  if (empty) return undefined;
  if (types.includes('array')) return coerceList(tree, schema, onDuplicate);
  return tree.kind === 'scalar' ? coerceScalar(tree, types, schema) : toPlain(tree);
}

function typesOf(schema: Schema): readonly TypeName[] {
  if (schema.type === undefined) return schema.properties ? ['object'] : [];
  return typeof schema.type === 'string' ? [schema.type] : schema.type;
}

function coerceMap(tree: MapTree | undefined, schema: Schema, onDuplicate: OnDuplicate): Record<string, unknown> {
  const shape = schema.oneOf ? variantOf(tree, schema) : schema;
  const properties = shape.properties ?? {};
  const rest = typeof shape.additionalProperties === 'object' ? shape.additionalProperties : undefined;
  const members = new Map<string, unknown>();
  const seen = new Map<string, number>();
  for (const [written, { keyOffset, tree: child }] of tree?.entries ?? []) {
    const lower = written.toLowerCase();
    const known = Object.hasOwn(properties, lower) ? properties[lower] : undefined;
    // names that the user chose keep their case
    const key = known === undefined && rest !== undefined ? written : lower;
    const first = seen.get(key);
    if (first !== undefined) {
      onDuplicate(written, keyOffset, first);
      continue;
    }
    seen.set(key, keyOffset);
    const member = known ?? rest;
    const value = member ? coerce(child, member, onDuplicate) : toPlain(child);
    const refused = member === undefined && shape.additionalProperties === false;
    if (value !== undefined) members.set(refused ? written : key, value);
  }
  for (const [key, property] of Object.entries(properties)) {
    if (members.has(key)) continue;
    if (property.default !== undefined) members.set(key, property.default);
    else if (property.type === 'object' && !shape.required?.includes(key))
      members.set(key, coerceMap(undefined, property, onDuplicate));
  }
  return Object.fromEntries(members);
}

/** The alternative that the discriminating member names; an open mapping when none does. */
function variantOf(tree: MapTree | undefined, schema: Schema): Schema {
  const tag = schema.discriminator?.propertyName ?? '';
  const entry = [...(tree?.entries ?? [])].find(([key]) => key.toLowerCase() === tag)?.[1].tree;
  const value = entry?.kind === 'scalar' ? entry.source : undefined;
  const found = schema.oneOf?.find((variant) => variant.properties?.[tag]?.enum?.includes(value ?? ''));
  return found ?? { type: 'object', additionalProperties: true };
}

/** A text with more commas is no list that anybody wrote. */
const MOST_PARTS = 1_000;

function coerceList(tree: Tree, schema: Schema, onDuplicate: OnDuplicate): unknown {
  const items = schema.items ?? {};
  if (tree.kind === 'list')
    return tree.items.flatMap((item) => {
      const value = coerce(item, items, onDuplicate);
      if (value !== undefined) return [value];
      return item.kind === 'scalar' && item.value === '' ? [] : [toPlain(item)];
    });
  if (tree.kind === 'map' || schema['x-weak'] === 'strict') return toPlain(tree);
  if (typeof tree.value !== 'string') return [coerceScalar(tree, typesOf(items), items)];
  if (tree.value === '') return [];
  const parts = tree.value.split(',', MOST_PARTS + 1).map((part) => part.trim());
  if (parts.length > MOST_PARTS) return [tree.value];
  return parts.map((part) => coerceScalar({ ...tree, value: part, source: part }, typesOf(items), items));
}

function coerceScalar(tree: ScalarTree, types: readonly TypeName[], schema: Schema): unknown {
  const { value, source } = tree;
  if (types.includes('string')) {
    const text = typeof value === 'string' ? value : source;
    if (text === '' && (schema.enum || EMPTY_MEANS_ABSENT.has(schema.format ?? ''))) return undefined;
    return schema['x-weak'] === 'any-case' ? text.toLowerCase() : text;
  }
  if (types.includes('boolean')) return toBoolean(value);
  if (types.includes('integer') || types.includes('number')) return toNumber(value, types.includes('integer'));
  return toPlain(tree);
}

function toBoolean(value: ScalarTree['value']): unknown {
  if (typeof value === 'number') return value !== 0;
  if (typeof value !== 'string') return value;
  return TRUE.has(value) || (FALSE.has(value) ? false : value);
}

function toNumber(value: ScalarTree['value'], whole: boolean): unknown {
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value !== 'string') return value;
  if (value === '') return 0;
  return (whole ? WHOLE_NUMBER : NUMBER).test(value) || WHOLE_NUMBER.test(value) ? Number(value) : value;
}

/** The value as it is written. A number that would not print as it was written (007, 1.10, 20 digits) stays a text. */
export function toPlain(tree: Tree): unknown {
  if (tree.kind === 'list') return tree.items.map(toPlain);
  if (tree.kind === 'map')
    return Object.fromEntries([...tree.entries].map(([key, entry]) => [key, toPlain(entry.tree)]));
  return typeof tree.value === 'number' && String(tree.value) !== tree.source ? tree.source : tree.value;
}
