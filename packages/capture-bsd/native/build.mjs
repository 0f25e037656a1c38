/** Builds the addon with one cc line. At install a missing compiler is only said; with --strict it is an error. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const strict = process.argv.includes('--strict');
const require = createRequire(import.meta.url);
/** On Linux too: there the tests run its sockets, and the optional cap stands in for /dev/bpf. */
const SYSTEMS = ['freebsd', 'darwin', 'linux'];
const say = (text) => process.stderr.write(`${text}\n`);

/** Node-API's headers from npm, else those beside the running Node. */
function nodeHeaders() {
  try {
    return require('node-api-headers').include_dir;
  } catch {
    return path.join(path.dirname(path.dirname(process.execPath)), 'include', 'node');
  }
}

/** The C that both capture packages share, in the installed core. */
function sharedHeaders() {
  return path.join(path.dirname(require.resolve('@stunmesh/core/package.json')), 'native');
}

function newest(folder, pattern) {
  return Math.max(
    ...readdirSync(folder)
      .filter((name) => pattern.test(name))
      .map((name) => statSync(path.join(folder, name)).mtimeMs),
  );
}

/** A prebuild that node-gyp-build would load spares the compiler. */
function hasPrebuild(root) {
  try {
    return existsSync(path.join(root, 'prebuilds')) && require('node-gyp-build').resolve(root) !== undefined;
  } catch {
    return false;
  }
}

function build() {
  if (!SYSTEMS.includes(process.platform)) return;
  const root = path.dirname(here);
  const core = sharedHeaders();
  const target = path.join(root, 'build', 'Release', 'stunmesh_capture_bsd.node');
  const sources = Math.max(newest(here, /\.(c|h|mjs)$/), newest(core, /\.h$/));
  if (existsSync(target) && statSync(target).mtimeMs >= sources) return;
  if (!strict && hasPrebuild(root)) return;
  // Warnings stop our own builds only: a compiler of tomorrow may warn of more than today's. musl's CMSG_NXTHDR compares signs that differ.
  const warnings = ['-Wall', '-Wextra', '-Wno-sign-compare', ...(strict ? ['-Werror'] : [])];
  // macOS's linker wants to know every symbol; Node-API's are there when the addon is loaded.
  const late = process.platform === 'darwin' ? ['-Wl,-undefined,dynamic_lookup'] : [];
  const flags = ['-O2', '-shared', '-fPIC', '-pthread', ...late, ...warnings];
  const line = [...flags, '-fvisibility=hidden', '-I', nodeHeaders(), '-I', core, path.join(here, 'capture.c'), '-o'];
  const [compiler, ...prefix] = (process.env.CC || 'cc').split(' ');
  mkdirSync(path.dirname(target), { recursive: true });
  // Renamed into place: a running daemon has the old file mapped.
  const fresh = `${target}.${process.pid}`;
  try {
    execFileSync(compiler, [...prefix, ...line, fresh], { stdio: ['ignore', 'inherit', 'inherit'] });
    renameSync(fresh, target);
  } catch (error) {
    rmSync(fresh, { force: true });
    const why = error.code === 'ENOENT' ? `there is no C compiler "${compiler}"` : 'the compiler failed';
    say(`@stunmesh/capture-bsd: ${why}. Without its addon stunmesh cannot capture. To build it, run:`);
    say(`  ${[compiler, ...prefix, ...line, target].join(' ')}`);
    if (strict) process.exitCode = 1;
  }
}

try {
  build();
} catch (error) {
  say(`@stunmesh/capture-bsd: the addon was not built: ${error.message}`);
  if (strict) process.exitCode = 1;
}
