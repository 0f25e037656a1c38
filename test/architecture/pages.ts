/** Every page of the documentation, for the tests that read them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageNames, ROOT } from './source.js';

export interface Page {
  /** Relative to the root. */
  readonly path: string;
  readonly text: string;
}

export function pages(): readonly Page[] {
  const markdown = (folder: string): string[] =>
    readdirSync(join(ROOT, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`);
  const paths = ['README.md', 'CONTRIBUTING.md', ...markdown('docs')];
  paths.push(...packageNames().flatMap((name) => markdown(`packages/${name}`)));
  return paths.map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}
