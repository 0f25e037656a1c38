/** Finds a package's entry file from a folder, as Node would, but from no other folder than those it is told (never the working directory). */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** A package name as npm allows it: optional scope, no path, nothing that begins with a dot. */
const PACKAGE_NAME = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/i;
const CONDITIONS = new Set(['node', 'import', 'module-sync', 'default']);

export function isPackageName(text: string): boolean {
  return text.length <= 214 && PACKAGE_NAME.test(text);
}

/** The target of an `exports` value for an ES module import, in the order its author wrote. */
function pick(target: unknown): string | undefined {
  if (typeof target === 'string') return target;
  if (typeof target !== 'object' || target === null) return undefined;
  for (const [condition, value] of Object.entries(target)) {
    const found = Array.isArray(target) || CONDITIONS.has(condition) ? pick(value) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function entryOf(folder: string): string {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    exports?: unknown;
    main?: unknown;
  };
  const { exports, main } = manifest;
  const root = typeof exports === 'object' && exports !== null && '.' in exports ? exports['.'] : exports;
  return join(folder, pick(root) ?? (typeof main === 'string' ? main : 'index.js'));
}

/** The file that importing `name` from `folder` would load; undefined where the package is not installed.
 * Throws what reading a broken package.json throws. */
export function resolvePackage(name: string, folder: string): string | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const candidate = join(at, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return entryOf(candidate);
    if (at === dirname(at)) return undefined;
  }
}
