/** Writes a bundle: a folder that runs by `node` or `bun` with nothing installed beside it. */
import { copyFileSync, cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from '../workspace.mjs';
import { findAddon } from './addon.mjs';
import { ADDON, buildProgram, licences, version } from './program.mjs';

const CORE = join(ROOT, 'packages/core');
/** What comes along as it is: from where in core, to where in the bundle. */
const BESIDE = [
  ['service', 'service'],
  ['build/stunmesh.1', 'man/man1/stunmesh.1'],
];

/**
 * @param {{ target: import('./targets.mjs').Target, stores: readonly string[], out: string }} options `out` is absolute; what lies there of an older bundle is replaced
 * @returns {Promise<{ bytes: Map<string, number> }>} what was written, with the files' sizes
 */
export async function writeBundle({ target, stores, out }) {
  const addon = findAddon(target);
  const { files, packages } = await buildProgram({
    target,
    stores,
    imports: "import { fileURLToPath } from 'node:url';",
    remedy: `It belongs beside stunmesh.js: take the whole folder, made for this system and its C library (this one: ${target.name}).`,
    // The capture module is a file of lib/.
    addon: `fileURLToPath(new URL('../${ADDON}', import.meta.url))`,
  });
  const manifest = {
    name: 'stunmesh',
    version: version(),
    description: `stunmesh for ${target.name}, with the stores ${stores.join(', ')}`,
    license: 'MIT',
    type: 'module',
    engines: { node: '>=20.19' },
    bin: { stunmesh: 'stunmesh.js' },
  };
  rmSync(join(out, 'lib'), { recursive: true, force: true });
  const bytes = new Map();
  const write = (/** @type {string} */ name, /** @type {string | Uint8Array} */ content) => {
    mkdirSync(dirname(join(out, name)), { recursive: true });
    writeFileSync(join(out, name), content, { mode: name === 'stunmesh.js' ? 0o755 : 0o644 });
    bytes.set(name, content.length);
  };
  for (const [name, content] of files) write(name, content);
  write('package.json', `${JSON.stringify(manifest, undefined, 2)}\n`);
  write('THIRD-PARTY-LICENSES.txt', licences(packages, stores));
  copyFileSync(join(ROOT, 'LICENSE'), join(out, 'LICENSE'));
  // Removed first: a running daemon has the old file mapped.
  rmSync(join(out, ADDON), { force: true });
  copyFileSync(addon, join(out, ADDON));
  for (const [from, to] of BESIDE)
    if (existsSync(join(CORE, from))) cpSync(join(CORE, from), join(out, to), { recursive: true });
  return { bytes };
}
