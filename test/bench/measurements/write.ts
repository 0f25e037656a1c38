/** docs/measurements.md and its plots, from kept results. */
import { mkdirSync, readdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from '../../e2e/lab/index.js';
import type { Results } from '../results.js';
import { createPage } from './page.js';

const IMAGES = 'images/measurements';

/** How many plots there are; those of an earlier page are gone. */
export function writeMeasurements(results: Results): number {
  const docs = join(REPOSITORY, 'docs');
  const folder = join(docs, IMAGES);
  const { markdown, plots } = createPage(results, IMAGES);
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) if (name.endsWith('.svg')) unlinkSync(join(folder, name));
  for (const [name, svg] of plots) writeFileSync(join(folder, name), svg);
  writeFileSync(join(docs, 'measurements.md'), markdown);
  return plots.size;
}
