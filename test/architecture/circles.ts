/** Files that import each other, directly or by others, as an architecture test looks for them; types count, in C headers too. */
import { posix } from 'node:path';
import type { Source } from './source.js';

/** Each circle once, as "a -> b -> a"; empty: every file can be read after those that it needs. */
export function circles(graph: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at !== -1) found.push([...path.slice(at), file].join(' -> '));
    if (at !== -1 || done.has(file)) return;
    for (const next of graph.get(file) ?? []) walk(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) walk(file, []);
  return found;
}

export function importGraph(files: readonly Source[]): ReadonlyMap<string, readonly string[]> {
  return new Map(files.map(({ path, imports }) => [path, imports.flatMap(({ target }) => target ?? [])]));
}

/** By the headers that a C source or header includes with quotes; one of another folder is known by its name. */
export function includeGraph(files: readonly Source[]): ReadonlyMap<string, readonly string[]> {
  const byName = new Map(files.map(({ path }) => [posix.basename(path), path]));
  return new Map(
    files.map(({ path, code }) => {
      const names = [...code.matchAll(/^\s*#\s*include\s+"([^"]+)"/gm)].map(([, name = '']) => posix.basename(name));
      return [path, names.flatMap((name) => byName.get(name) ?? [])];
    }),
  );
}
