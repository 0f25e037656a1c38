/** The house rules of the capture packages' native code, and of what they share. */
import { posix } from 'node:path';
import { test } from 'node:test';
import { none } from './architecture/findings.js';
import { type Source, sources } from './architecture/source.js';

const native = sources(
  ['packages/core/native', 'packages/capture-linux/native', 'packages/capture-bsd/native'],
  ['.c', '.h'],
);
const own = native.filter(({ path }) => !path.includes('/sysroot/'));

/** The files of ours that a file includes: beside it, else in core. */
function includesOf({ path, code, text }: Source): string[] {
  const names = [...text.matchAll(/^#include "([^"]+)"/gm)].map((match) => match[1] ?? '');
  const places = names.map((name) => [posix.join(posix.dirname(path), name), `packages/core/native/${name}`]);
  return code === '' ? [] : places.flatMap((paths) => own.find((file) => paths.includes(file.path))?.path ?? []);
}

/** A way from a file back to itself, as text; undefined: there is none. */
function circleFrom(start: string, next: ReadonlyMap<string, readonly string[]>): string | undefined {
  const follow = (path: string, seen: readonly string[]): string | undefined => {
    for (const target of next.get(path) ?? []) {
      if (target === start) return [...seen, target].join(' -> ');
      if (seen.includes(target)) continue;
      const found = follow(target, [...seen, target]);
      if (found) return found;
    }
    return undefined;
  };
  return follow(start, [start]);
}

test('no circle among C headers, and none by the back door of a function that a later header defines', () => {
  const next = new Map(own.map((file) => [file.path, includesOf(file)]));
  none(
    own.flatMap(({ path }) => circleFrom(path, next) ?? []),
    'a header builds on those that it includes',
  );
  none(
    own.flatMap(({ path, text }) =>
      [...text.matchAll(/^static [^={}\n]*\);$/gm)].map((match) => `${path}: ${match[0].trim()}`),
    ),
    'define a function before it is used; what comes later is handed in by a pointer',
  );
});

test('C is small files too, each opening with what it is for', () => {
  none(
    own.filter(({ lines }) => lines > 300).map(({ path, lines }) => `${path}: ${lines} lines`),
    'a C file has at most 300 lines',
  );
  none(
    own.filter(({ text }) => !text.startsWith('/*')).map(({ path }) => path),
    'a file opens with a sentence',
  );
});

test('capture-kit takes the backoff alone of runtime', () => {
  const kit = sources(['packages/core/src/capture-kit']);
  none(
    kit.flatMap(({ path, imports }) =>
      imports
        .filter(({ target }) => target?.includes('/src/runtime/') && !target.endsWith('/backoff.ts'))
        .map(({ specifier }) => `${path} imports ${specifier}`),
    ),
    'it is no part of the daemon',
  );
});
