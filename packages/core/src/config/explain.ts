/** Problems as text: file:line:column: path: what was wrong; what is allowed; did you mean "…"? */
import { positionOf, type Source, type Tree } from './source.js';
import type { Path } from './types.js';

/** So many are told; who has more begins with these. */
export const MOST_PROBLEMS = 100;
/** Of a problem as text: keys and values may be as long as the file. */
const LONGEST_TEXT = 1_000;

export interface Problem {
  readonly path: Path;
  /** What was wrong. */
  readonly what: string;
  readonly allowed?: string | undefined;
  readonly suggestion?: string | undefined;
  /** Where it stands, when not at the value of `path`. */
  readonly offset?: number;
  /** True: point at the key instead of the value. */
  readonly atKey?: boolean;
}

/** interfaces.wg0.peers["my peer"].plugin[1] */
export function formatPath(path: Path): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[\w-]+$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

/** Where the value at `path` begins (of lists and mappings: their key); the nearest that exists above it otherwise. */
export function locate(root: Tree | undefined, path: Path, atKey = false): number {
  let tree = root;
  let key: number | undefined;
  for (const part of path) {
    const entry: { keyOffset: number | undefined; tree: Tree } | undefined = child(tree, part);
    if (!entry) break;
    key = entry.keyOffset;
    tree = entry.tree;
  }
  if (!tree) return 0;
  return key !== undefined && (atKey || tree.kind !== 'scalar') ? key : tree.offset;
}

/** The path of the key that stands at `offset`; empty when none does. */
export function pathOfKey(root: Tree | undefined, offset: number): Path {
  if (root?.kind === 'list') return firstOf(root.items.entries(), (item) => item, offset);
  if (root?.kind !== 'map') return [];
  for (const [key, entry] of root.entries) if (entry.keyOffset === offset) return [key];
  return firstOf(root.entries, (entry) => entry.tree, offset);
}

function firstOf<K extends string | number, V>(
  entries: Iterable<[K, V]>,
  treeOf: (value: V) => Tree,
  offset: number,
): Path {
  for (const [key, value] of entries) {
    const rest = pathOfKey(treeOf(value), offset);
    if (rest.length > 0) return [key, ...rest];
  }
  return [];
}

function child(tree: Tree | undefined, part: string | number) {
  if (tree?.kind === 'list' && typeof part === 'number') {
    const item = tree.items[part];
    return item && { keyOffset: undefined, tree: item };
  }
  if (tree?.kind !== 'map') return undefined;
  const name = String(part);
  const exact = tree.entries.get(name);
  if (exact) return exact;
  for (const [key, entry] of tree.entries) if (key.toLowerCase() === name.toLowerCase()) return entry;
  return undefined;
}

export function formatProblems(
  file: string,
  source: Pick<Source, 'root' | 'lineStarts'>,
  problems: readonly Problem[],
): string[] {
  const placed = problems.map((problem) => ({
    offset: problem.offset ?? locate(source.root, problem.path, problem.atKey),
    text: formatProblem(problem),
  }));
  placed.sort((a, b) => a.offset - b.offset);
  const lines = [...new Set(placed.map(({ offset, text }) => `${formatPosition(file, source, offset)}: ${text}`))];
  if (lines.length <= MOST_PROBLEMS) return lines;
  return [...lines.slice(0, MOST_PROBLEMS), `${file}: and more like these; mend them first`];
}

export function formatPosition(file: string, source: Pick<Source, 'lineStarts'>, offset: number): string {
  const { line, column } = positionOf(source, offset);
  return `${file}:${line}:${column}`;
}

function formatProblem({ path, what, allowed, suggestion }: Problem): string {
  const parts = [path.length === 0 ? what : `${formatPath(path)}: ${what}`];
  if (allowed !== undefined) parts.push(allowed);
  if (suggestion !== undefined) parts.push(`did you mean ${JSON.stringify(suggestion)}?`);
  const text = parts.join('; ');
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT - 1)}…` : text;
}
