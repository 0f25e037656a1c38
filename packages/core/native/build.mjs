/** Builds a capture package's addon with one cc line. At install a missing compiler is only said; with --strict it is an error. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The C that both capture packages share. */
const SHARED = path.dirname(fileURLToPath(import.meta.url));
const strict = process.argv.includes('--strict');
const say = (text) => process.stderr.write(`${text}\n`);

/** `headers` says where Node-API's headers are, `prebuild` which file node-gyp-build would load; both may throw. */
export function buildAddon(place) {
  try {
    build(place);
  } catch (error) {
    say(`${place.packageName}: the addon was not built: ${error.message}`);
    if (strict) process.exitCode = 1;
  }
}

function build({ packageName, root, fileName, systems, headers, prebuild }) {
  if (!systems.includes(process.platform)) return;
  const here = path.join(root, 'native');
  const target = path.join(root, 'build', 'Release', fileName);
  const sources = Math.max(newest(here, /\.(c|h|mjs)$/), newest(SHARED, /\.(h|mjs)$/));
  if (existsSync(target) && statSync(target).mtimeMs >= sources) return;
  if (!strict && hasPrebuild(root, prebuild)) return;
  // Warnings stop our own builds only: a compiler of tomorrow may warn of more than today's. musl's CMSG_NXTHDR compares signs that differ.
  const warnings = ['-Wall', '-Wextra', '-Wno-sign-compare', ...(strict ? ['-Werror'] : [])];
  // macOS's linker wants to know every symbol; Node-API's are there when the addon is loaded.
  const late = process.platform === 'darwin' ? ['-Wl,-undefined,dynamic_lookup'] : [];
  const flags = ['-O2', '-shared', '-fPIC', '-pthread', ...late, ...warnings, '-fvisibility=hidden'];
  const line = [...flags, '-I', nodeHeaders(headers), '-I', SHARED, path.join(here, 'capture.c'), '-o'];
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
    say(`${packageName}: ${why}. Without its addon stunmesh cannot capture. To build it, run:`);
    say(`  ${[compiler, ...prefix, ...line, target].join(' ')}`);
    if (strict) process.exitCode = 1;
  }
}

/** Node-API's headers from npm, else those beside the running Node. */
function nodeHeaders(headers) {
  try {
    return headers();
  } catch {
    return path.join(path.dirname(path.dirname(process.execPath)), 'include', 'node');
  }
}

function newest(folder, pattern) {
  return Math.max(
    ...readdirSync(folder)
      .filter((name) => pattern.test(name))
      .map((name) => statSync(path.join(folder, name)).mtimeMs),
  );
}

/** A prebuild that node-gyp-build would load spares the compiler. */
function hasPrebuild(root, prebuild) {
  try {
    return existsSync(path.join(root, 'prebuilds')) && prebuild() !== undefined;
  } catch {
    return false;
  }
}
