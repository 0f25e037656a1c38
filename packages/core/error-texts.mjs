/** Writes build/error-texts.js, what `stunmesh explain` prints, from docs/errors.md. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const page = readFileSync(join(import.meta.dirname, '../../docs/errors.md'), 'utf8');
/** @type {Record<string, string[]>} */
const texts = {};
for (const entry of page.split(/^## /m).slice(1)) {
  const [title = '', ...lines] = entry.split('\n');
  if (!title.startsWith('ERR_')) continue;
  // A line that begins with "Cause: " or "Remedy: " opens a paragraph, as an empty one does.
  const paragraphs = lines.join('\n').split(/\n\s*\n|\n(?=(?:Cause|Remedy): )/);
  texts[title.trim()] = paragraphs.map((text) => plain(text)).filter((text) => text !== '');
}
/** Without Markdown's links and emphasis. @param {string} text */
function plain(text) {
  return text
    .replace(/\[([^\]]+)\]\([^)]+\)/g, '$1')
    .replace(/(?<!\w)_(\w+)_(?!\w)/g, '$1')
    .replace(/\s+/g, ' ')
    .trim();
}

const folder = join(import.meta.dirname, 'build');
mkdirSync(folder, { recursive: true });
writeFileSync(
  join(folder, 'error-texts.js'),
  `/** Made by error-texts.mjs. */\nexport default ${JSON.stringify(texts, undefined, 2)};\n`,
);
