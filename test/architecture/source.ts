/** The sources of the repository as the architecture test sees them: code without comments, strings, and imports. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '../../..');

export interface Import {
  /** As written: `./x.js`, `node:fs`, `@stunmesh/core/api`. */
  readonly specifier: string;
  /** The source it means, relative to the root; undefined for what is outside the importing package. */
  readonly target: string | undefined;
  /** What stands in braces; undefined for any other kind of clause. */
  readonly names: readonly string[] | undefined;
  /** `import type`, or a clause in which every name is a type: nothing of it is there at run time. */
  readonly typeOnly: boolean;
  /** `import(…)` or `require(…)`: loaded when somebody comes by. */
  readonly dynamic: boolean;
}

export interface Source {
  /** Relative to the root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly lines: number;
  /** Without comments. */
  readonly code: string;
  /** Without comments and without what stands in strings. */
  readonly bare: string;
  readonly imports: readonly Import[];
}

/** All files below the given folders whose name ends in one of the endings. */
export function sources(folders: readonly string[], endings: readonly string[] = ['.ts']): Source[] {
  return folders.flatMap((folder) => walk(join(ROOT, folder), endings)).map(readSource);
}

/** The packages' folder names. */
export function packageNames(): string[] {
  return readdirSync(join(ROOT, 'packages')).filter((name) => existsSync(join(ROOT, 'packages', name, 'package.json')));
}

function walk(folder: string, endings: readonly string[]): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (['node_modules', 'dist', 'dist-test', 'build'].includes(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return walk(path, endings);
    return endings.some((ending) => entry.name.endsWith(ending)) ? [path] : [];
  });
}

function readSource(path: string): Source {
  const text = readFileSync(path, 'utf8');
  const { code, bare } = stripComments(text);
  const name = relative(ROOT, path).split('\\').join('/');
  return { path: name, text, lines: text.trimEnd().split('\n').length, code, bare, imports: findImports(name, code) };
}

/** What is not plain code, in the order in which a reader meets it. A pattern is told from a division by what stands before it. */
const NOT_CODE = [
  /\/\*[\s\S]*?\*\//,
  /\/\/[^\n]*/,
  /'(?:\\.|[^'\\\n])*'/,
  /"(?:\\.|[^"\\\n])*"/,
  /`(?:\\[\s\S]|[^`\\])*`/,
  /(?<=(?:^|[=(,:[!&|?{};]|return)\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\//,
];

/** One pass over TypeScript: comments become blanks in both results, the insides of strings and patterns in the second. */
export function stripComments(text: string): { code: string; bare: string } {
  const token = new RegExp(NOT_CODE.map(({ source }) => source).join('|'), 'gm');
  const blank = (piece: string) => piece.replace(/[^\n]/g, ' ');
  const code = text.replace(token, (piece) => (/^\/[*/]/.test(piece) ? blank(piece) : piece));
  const bare = text.replace(token, (piece) =>
    // What a template literal interpolates is code and stays; so do line ends, for the numbers.
    piece.startsWith('`') ? (piece.match(/\$\{[^}]*\}|\n/g) ?? []).join(' ') : blank(piece),
  );
  return { code, bare };
}

function findImports(path: string, code: string): Import[] {
  const pattern =
    /^[ \t]*(?:import|export)\s+(type\s+)?([\w*{}\s,$]*?)\s*from\s*'([^']+)'|^[ \t]*import\s*'([^']+)'|\b(?:import|require(?:\.resolve)?)\(\s*'([^']+)'/gm;
  return [...code.matchAll(pattern)].map((match) => {
    const specifier = match[3] ?? match[4] ?? match[5] ?? '';
    const clause = /^\{([\s\S]*)\}$/.exec(match[2]?.trim() ?? '')?.[1];
    const names = clause?.split(',').flatMap((name) => name.trim() || []);
    const typeOnly = match[1] !== undefined || (names?.every((name) => name.startsWith('type ')) ?? false);
    return { specifier, target: resolveImport(path, specifier), names, typeOnly, dynamic: match[5] !== undefined };
  });
}

function resolveImport(path: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return posix.join(dirname(path), specifier).replace(/\.js$/, '.ts');
  if (!specifier.startsWith('#src/')) return undefined;
  return specifier.replace('#src/', `packages/${path.split('/')[1]}/src/`).replace(/\.js$/, '.ts');
}
