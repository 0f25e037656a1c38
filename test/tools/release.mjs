/**
 * `npm run release [-- PART…] [--out DIR]`: what a release consists of, in build/release unless told otherwise. PART is `packages` (the
 * tarballs for npm, with the prebuilds inside), `executables` (one file each), `archives` (for FreeBSD x64 and arm64: bundle, service, install
 * script; `--with-bun`: and Bun, which runs it), or the name of a platform for its executable alone.
 */
import { statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { ARCHIVED, writeArchive } from './packaging/archive.mjs';
import { cannotCompile, writeExecutable } from './packaging/executable.mjs';
import { measure } from './packaging/measure.mjs';
import { packAll } from './packaging/pack.mjs';
import { cannotPrebuild, prebuild } from './packaging/prebuild.mjs';
import { EMULATED, emulator } from './packaging/runtimes.mjs';
import { ownTarget, TARGETS, targetOf } from './packaging/targets.mjs';
import { run } from './run.mjs';
import { bold, say } from './say.mjs';
import { setUp } from './setup.mjs';
import { ROOT } from './workspace.mjs';

const PARTS = ['packages', 'executables', 'archives'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  // Without a build: the sources have been compiled, and prebuilds are taken as they are.
  options: {
    out: { type: 'string' },
    'no-build': { type: 'boolean', default: false },
    'with-bun': { type: 'boolean', default: false },
  },
});

try {
  const parts = positionals.length === 0 ? PARTS : positionals;
  const named = parts.filter((part) => !PARTS.includes(part)).map(targetOf);
  const targets = parts.includes('executables') ? TARGETS.filter((target) => target.bun !== undefined) : named;
  const out = values.out === undefined ? join(ROOT, 'build/release') : resolve(values.out);
  const archives = parts.includes('archives') ? ARCHIVED : [];
  if (!values['no-build']) await build(parts.includes('packages') ? TARGETS : [...new Set([...targets, ...archives])]);
  if (parts.includes('packages')) {
    say(bold('packages'));
    for (const file of await packAll(out)) told(file);
  }
  if (targets.length > 0) await executables(targets, out);
  if (archives.length > 0) say(bold('archives'));
  for (const target of archives)
    told(await writeArchive({ target, out, withBun: values['with-bun'] }), 'and its checksum');
} catch (error) {
  say(`release: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

/** @param {readonly import('./packaging/targets.mjs').Target[]} targets those whose addons are needed */
async function build(targets) {
  const { typeErrors, nativeErrors } = await setUp();
  if (typeErrors || nativeErrors) throw new Error(`${typeErrors}\n${nativeErrors}`.trim());
  const reason = cannotPrebuild();
  if (reason !== undefined) throw new Error(`a release is made on Linux x64 alone: ${reason}`);
  for (const target of targets) await prebuild(target);
}

/** @param {readonly import('./packaging/targets.mjs').Target[]} targets @param {string} out */
async function executables(targets, out) {
  const reason = cannotCompile();
  if (reason !== undefined) throw new Error(`executables are made on Linux x64 alone: ${reason}`);
  say(bold('executables'));
  for (const target of targets) {
    const file = join(out, `stunmesh-${target.name}`);
    await writeExecutable(target, file);
    told(file, await tried(target, file));
  }
}

/** What there is to say of an executable. @param {import('./packaging/targets.mjs').Target} target @param {string} file */
async function tried(target, file) {
  if (target === ownTarget()) return measure(file);
  if (!(target.name in EMULATED)) return 'not run here';
  const [program = '', ...args] = await emulator(target.name);
  const { code, output } = await run(program, [...args, file, '--version']);
  if (code !== 0) throw new Error(`${file} --version ended with ${code} under qemu: ${output.trim()}`);
  return '--version runs under qemu';
}

/** @param {string} file @param {string} [note] */
function told(file, note = '') {
  const size = statSync(file).size;
  const shown = size < 10 * 1024 * 1024 ? `${Math.round(size / 1024)} KiB` : `${Math.round(size / 1024 / 1024)} MiB`;
  const path = relative(process.cwd(), file);
  say(`${shown.padStart(9)}  ${path.startsWith('..') ? file : path}  ${note}`.trimEnd());
}
