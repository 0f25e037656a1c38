/** What an architecture test found, as a failure that names each place. */
import assert from 'node:assert/strict';
import type { Source } from './source.js';

export function none(found: readonly string[], rule: string): void {
  if (found.length > 0) assert.fail(`${rule}\n${found.map((line) => `  ${line}`).join('\n')}`);
}

/** One line for every place where the pattern occurs in the given view of the sources. */
export function places(files: readonly Source[], pattern: RegExp, view: 'code' | 'bare' | 'text'): string[] {
  return files.flatMap((file) =>
    file[view]
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${file.path}:${index + 1}: ${line.trim()}`] : [])),
  );
}
