/** Writes build/status-page.js: the page's script, style and frame as one text without outside parts, and its Content-Security-Policy. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const here = import.meta.dirname;

/** @param {string} entry */
async function bundled(entry) {
  const { outputFiles } = await build({
    entryPoints: [join(here, entry)],
    bundle: true,
    minify: true,
    format: 'iife',
    target: ['es2022', 'chrome109', 'firefox115', 'safari16'],
    charset: 'utf8',
    write: false,
    logLevel: 'warning',
  });
  return outputFiles[0].text.trim();
}

/** @param {string} text */
const hash = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

const [script, style] = await Promise.all([bundled('main.ts'), bundled('style.css')]);
if (/<\/(script|style)/i.test(script + style)) throw new Error('the script or style would end its own element');
const frame = readFileSync(join(here, 'frame.html'), 'utf8').replace(/\n\s*/g, '\n');
const html = frame.replace('/* STYLE */', () => style).replace('/* SCRIPT */', () => script);
// Nothing but its own style and script, and its own daemon; the icon is written into the page.
const csp = [
  "default-src 'none'",
  `style-src ${hash(style)}`,
  `script-src ${hash(script)}`,
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
const folder = join(here, '../build');
mkdirSync(folder, { recursive: true });
writeFileSync(
  join(folder, 'status-page.js'),
  `/** Made by page/build.mjs. */\nexport default ${JSON.stringify({ html, csp }, undefined, 2)};\n`,
);
