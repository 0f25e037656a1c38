/** The field rules, as docs/field-rules.md lists them: each has to be held by a test whose name starts with its number. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './source.js';

export interface FieldRule {
  /** `F19`, `F18b`. */
  readonly number: string;
  readonly text: string;
  /** A standard with its section, a manual page, or what was measured. */
  readonly source: string;
}

export function fieldRules(): readonly FieldRule[] {
  const page = readFileSync(join(ROOT, 'docs/field-rules.md'), 'utf8');
  return [...page.matchAll(/^\| *(F\d+[a-z]?) *\| *(.+?) *\| *(.+?) *\|$/gm)].map(([, number, text, source]) => ({
    number: number ?? '',
    text: text ?? '',
    source: source ?? '',
  }));
}
