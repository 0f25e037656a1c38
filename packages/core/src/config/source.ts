/** A YAML text as a tree that remembers where each key and value stands. */
import type { ParsedNode, Scalar, YAMLMap } from 'yaml';
import { composeDocument, DEEPEST, MOST_FINDINGS, type YamlModule } from './document.js';
import { describeSyntaxError, type Finding } from './syntax.js';

export interface ScalarTree {
  readonly kind: 'scalar';
  readonly offset: number;
  readonly value: string | number | boolean | null;
  /** As written: what a text gets from an unquoted 0123 or 1.10. */
  readonly source: string;
}
export interface ListTree {
  readonly kind: 'list';
  readonly offset: number;
  readonly items: readonly Tree[];
}
export interface MapTree {
  readonly kind: 'map';
  readonly offset: number;
  readonly entries: ReadonlyMap<string, Entry>;
}
export interface Entry {
  readonly keyOffset: number;
  readonly tree: Tree;
}
export type Tree = ScalarTree | ListTree | MapTree;

export interface Position {
  readonly line: number;
  readonly column: number;
}
export interface Source {
  /** undefined: the file is empty. */
  readonly root: Tree | undefined;
  /** Syntax errors; with any of them `root` is not to be used. */
  readonly errors: readonly Finding[];
  readonly warnings: readonly Finding[];
  /** Keys that stand twice in one mapping, the first hundred of them; the first one is in the tree. */
  readonly duplicates: readonly { readonly key: string; readonly offset: number; readonly firstOffset: number }[];
  /** Where each line begins. */
  readonly lineStarts: readonly number[];
}

/** Aliases can multiply a small file into gigabytes. */
const MOST_ALIASED = 100_000;

/** Reads YAML 1.2 (and so JSON), with anchors and merge keys. Never throws for what the text holds. */
export async function parseSource(text: string): Promise<Source> {
  const yaml = await import('yaml');
  const lineCounter = new yaml.LineCounter();
  const { contents, errors, warnings } = composeDocument(yaml, text, lineCounter);
  const { lineStarts } = lineCounter;
  if (errors.length > 0) return { root: undefined, errors, warnings, duplicates: [], lineStarts };
  const reader = new TreeReader(yaml);
  const root = contents === null ? undefined : reader.read(contents, 0);
  return { root, errors: reader.errors, warnings, duplicates: reader.duplicates, lineStarts };
}

/** Line and column of a place in the text, both from 1. */
export function positionOf({ lineStarts }: Pick<Source, 'lineStarts'>, offset: number): Position {
  let [low, high] = [0, lineStarts.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((lineStarts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: Math.max(0, offset - (lineStarts[low] ?? 0)) + 1 };
}

class TreeReader {
  readonly errors: Finding[] = [];
  readonly duplicates: { key: string; offset: number; firstOffset: number }[] = [];
  readonly #yaml: YamlModule;
  readonly #anchors = new Map<string, ParsedNode>();
  readonly #open = new Set<ParsedNode>();
  #aliased = 0;
  #inAlias = 0;

  constructor(yaml: YamlModule) {
    this.#yaml = yaml;
  }

  read(node: ParsedNode | null, depth: number): Tree {
    const offset = node?.range[0] ?? 0;
    const nothing: ScalarTree = { kind: 'scalar', offset, value: null, source: '' };
    if (node === null) return nothing;
    if (depth > DEEPEST) return this.#fail(offset, `nested deeper than ${DEEPEST} levels`, nothing);
    if (this.#inAlias > 0) this.#aliased += 1;
    if (this.#aliased > MOST_ALIASED) {
      if (this.#aliased === MOST_ALIASED + 1)
        this.#fail(offset, 'aliases (*name) multiply this file too much', nothing);
      return nothing;
    }
    if (this.#yaml.isAlias(node)) return this.#readAlias(node.source, offset, depth, nothing);
    if ('anchor' in node && node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    if (this.#yaml.isScalar(node)) return readScalar(node, offset);
    this.#open.add(node);
    const tree: Tree = this.#yaml.isMap(node)
      ? { kind: 'map', offset, entries: this.#readEntries(node as YAMLMap<ParsedNode, ParsedNode | null>, depth) }
      : { kind: 'list', offset, items: this.#readItems(node, depth) };
    this.#open.delete(node);
    return tree;
  }

  #readItems(node: ParsedNode, depth: number): Tree[] {
    return this.#yaml.isSeq(node) ? node.items.map((item) => this.read(item as ParsedNode, depth + 1)) : [];
  }

  #readEntries(node: YAMLMap<ParsedNode, ParsedNode | null>, depth: number): Map<string, Entry> {
    const entries = new Map<string, Entry>();
    const merges: Tree[] = [];
    for (const { key, value } of node.items) {
      const keyOffset = key.range[0];
      if (!this.#yaml.isScalar(key) || key.value === null) {
        this.#fail(keyOffset, 'a key must be a plain word or a quoted text', undefined);
        continue;
      }
      const name = typeof key.value === 'string' ? key.value : (key.source ?? String(key.value));
      const tree = this.read(value, depth + 1);
      const first = entries.get(name);
      if (name === '<<' && key.type === 'PLAIN') merges.push(tree);
      else if (first) this.#duplicate({ key: name, offset: keyOffset, firstOffset: first.keyOffset });
      else entries.set(name, { keyOffset, tree: isEmpty(tree) ? { ...tree, offset: keyOffset } : tree });
    }
    for (const merge of merges) this.#merge(entries, merge);
    return entries;
  }

  /** YAML merge keys: what the mapping itself says wins, then the earlier of several. */
  #merge(entries: Map<string, Entry>, from: Tree): void {
    if (from.kind === 'list') for (const item of from.items) this.#merge(entries, item);
    else if (from.kind === 'map') {
      for (const [name, entry] of from.entries) if (!entries.has(name)) entries.set(name, entry);
    } else this.#fail(from.offset, 'a merge key (<<) takes a mapping or a list of mappings', undefined);
  }

  #readAlias(name: string, offset: number, depth: number, nothing: Tree): Tree {
    const target = this.#anchors.get(name);
    if (!target) return this.#fail(offset, describeSyntaxError('BAD_ALIAS'), nothing);
    if (this.#open.has(target)) return this.#fail(offset, 'an alias (*name) stands inside what it names', nothing);
    this.#inAlias += 1;
    const tree = this.read(target, depth + 1);
    this.#inAlias -= 1;
    return tree;
  }

  #fail<T>(offset: number, text: string, instead: T): T {
    if (this.errors.length < MOST_FINDINGS) this.errors.push({ offset, text });
    return instead;
  }

  #duplicate(found: Source['duplicates'][number]): void {
    if (this.duplicates.length < MOST_FINDINGS) this.duplicates.push(found);
  }
}

/** A value that is left out has no place of its own but that of its key. */
function isEmpty(tree: Tree): boolean {
  return tree.kind === 'scalar' && tree.value === null && tree.source === '';
}

function readScalar(node: Scalar.Parsed, offset: number): ScalarTree {
  const { value } = node;
  const source = node.source ?? String(value ?? '');
  const simple = typeof value === 'string' || typeof value === 'boolean' || value === null || Number.isFinite(value);
  return { kind: 'scalar', offset, value: simple ? (value as ScalarTree['value']) : source, source };
}
