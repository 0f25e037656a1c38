/** Writes a single-file executable: Bun with the program and its addon inside. */
import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import process from 'node:process';
import { run } from '../run.mjs';
import { findAddon } from './addon.mjs';
import { fetchNpm } from './fetch.mjs';
import { ADDON, buildProgram, STORES } from './program.mjs';
import { ownTarget } from './targets.mjs';

const require = createRequire(import.meta.url);

/** The Bun of this repository, which compiles for all platforms. */
function ownBun() {
  const manifest = require.resolve('@oven/bun-linux-x64/package.json');
  return { program: join(dirname(manifest), 'bin/bun'), version: require(manifest).version };
}

/** The Bun of a target, of the release that this repository uses. @param {import('./targets.mjs').Target} target */
export async function fetchBun(target) {
  const { program, version } = ownBun();
  if (target.bun === undefined) throw new Error(`there is no Bun for ${target.name}`);
  return target === ownTarget() ? program : join(await fetchNpm(`@oven/${target.bun}`, version), 'bin/bun');
}

/** Why none can be made here; undefined where they can. */
export function cannotCompile() {
  return process.platform === 'linux' && process.arch === 'x64'
    ? undefined
    : 'the Bun that compiles is that for Linux on x64';
}

/**
 * @param {import('./targets.mjs').Target} target @param {string} file where to write it, absolute
 * @returns {Promise<{ bytes: number }>}
 */
export async function writeExecutable(target, file) {
  const { program } = ownBun();
  const base = await fetchBun(target);
  const folder = mkdtempSync(join(tmpdir(), 'executable-'));
  try {
    const { files } = await buildProgram({
      target,
      stores: STORES,
      remedy:
        `Take the file for this system and its C library (this one: ${target.name}), and let TMPDIR name a folder ` +
        'from which programs may be loaded: the addon is put there.',
      // The capture module is a file of lib/.
      imports: `import addonPath from '../${ADDON}' with { type: 'file' };`,
      addon: 'addonPath',
    });
    mkdirSync(join(folder, 'lib'));
    for (const [name, content] of files) writeFileSync(join(folder, name), content);
    copyFileSync(findAddon(target), join(folder, ADDON));
    const made = join(folder, basename(file));
    // In parts and compiled ahead it starts in a tenth of the time that one file of source takes.
    const args = ['build', '--compile', '--splitting', '--format=esm', '--bytecode', `--target=${target.bun}`];
    // What lies in the folder that somebody starts it in is none of its business.
    const alone = ['--no-compile-autoload-dotenv', '--no-compile-autoload-bunfig', `--compile-executable-path=${base}`];
    const { code, output } = await run(program, [...args, ...alone, './stunmesh.js', '--outfile', made], {
      cwd: folder,
    });
    if (code !== 0) throw new Error(`${target.name}: bun build ended with ${code}:\n${output.trim()}`);
    mkdirSync(dirname(file), { recursive: true });
    // Renamed into place: it may be running.
    copyFileSync(made, `${file}.${process.pid}`);
    renameSync(`${file}.${process.pid}`, file);
    return { bytes: statSync(file).size };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
