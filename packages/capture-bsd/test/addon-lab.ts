/** Where the addon's own tests run: a network namespace of their own, and builds of the addon over an emulated /dev/bpf. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { enterNamespace, namespacesMissing } from '@stunmesh/core/testing/capture-lab';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

/** Why no addon can be built here; undefined: it can. */
export const cannotBuild: string | undefined =
  process.platform !== 'linux'
    ? 'needs Linux'
    : spawnSync('cc', ['--version']).status === 0
      ? undefined
      : 'needs a C compiler';

/** Why nothing can be captured here. */
export const cannotCapture: string | undefined = cannotBuild ?? namespacesMissing();
/** One that hangs inside the addon hears of no test's own limit. */
export const inOwnNamespace = (file: string): boolean => enterNamespace(file, cannotCapture, 400_000);
export { run } from '@stunmesh/core/testing/capture-lab';

/** The addon over an emulated /dev/bpf: packet sockets that answer as FreeBSD's bpf(4) does (native/test/emulated.h). */
export function emulatedAddon(): string {
  return build('emulated.node', 'emulated.c', ['-O2', ...SHARED]);
}

/** The same under AddressSanitizer and UndefinedBehaviorSanitizer; its library has to be loaded first (LD_PRELOAD). */
export function sanitizedAddon(): string {
  const flags = ['-g', '-O1', '-fsanitize=address,undefined', '-fno-omit-frame-pointer', ...SHARED];
  return build('sanitized.node', 'emulated.c', flags);
}

/** What the C libraries of both systems have in another form than Linux's, and what FreeBSD's alone has. */
const RENAMED =
  `bind clock_gettime close connect fcntl freeifaddrs getifaddrs getsockname getsockopt ioctl open pipe poll pthread_sigmask read recvmsg
  sendto setsockopt sigfillset socket strerror write`.split(/\s+/);
const FREEBSD_RENAMED = ['attr_destroy', 'attr_init', 'attr_setstacksize', 'create'].map((name) => `pthread_${name}`);

const SYSTEMS = {
  freebsd: { addon: ['-D__FreeBSD__=1'], library: [], renamed: [...RENAMED, ...FREEBSD_RENAMED] },
  macos: { addon: ['-D__APPLE__=1', '-D__MACH__=1'], library: ['-DAS_MACOS'], renamed: RENAMED },
} as const;

/** The addon as it is for another system, with that one's numbers and structures, over a library that does as it would (native/test/bsd.c). */
export function foreignAddon(system: keyof typeof SYSTEMS): string {
  const { addon, library, renamed } = SYSTEMS[system];
  const undefine = ['__linux__', '__linux', 'linux', '__gnu_linux__'].map((name) => `-U${name}`);
  const rename = renamed.map((name) => `-D${name}=bsd_${name}`);
  const compiler = execFileSync('cc', ['-print-file-name=include'], { encoding: 'utf8' }).trim();
  const folders = [compiler, path.join(ROOT, 'native/sysroot', system), path.join(ROOT, 'native/sysroot/bsd')];
  const headers = ['-nostdinc', ...folders.flatMap((folder) => ['-isystem', folder])];
  const flags = ['-c', '-O2', ...SHARED, ...addon, ...undefine, ...rename, ...headers];
  const object = build(`${system}-addon.o`, path.join('..', 'capture.c'), flags);
  return build(`${system}.node`, 'bsd.c', ['-O2', ...SHARED, ...library, object]);
}

/** A program that makes a tun device and feeds it packets (native/test/tun.c). */
export function tunProgram(): string {
  return build('tun', 'tun.c', ['-O2']);
}

const SHARED = ['-g', '-shared', '-fPIC', '-pthread', '-fvisibility=hidden', '-Wall', '-Wextra', '-Wno-sign-compare'];

/** Compiled once, and again when a source is newer; several test files may ask at the same time. `source` is in native/test. */
function build(name: string, source: string, flags: readonly string[]): string {
  const shared = path.join(path.dirname(require.resolve('@stunmesh/core/package.json')), 'native');
  const folders = [path.join(ROOT, 'native'), path.join(ROOT, 'native', 'test'), shared];
  const target = path.join(ROOT, 'build', 'test', name);
  const newest = Math.max(...folders.flatMap(timesOf));
  if (existsSync(target) && statSync(target).mtimeMs > newest) return target;
  mkdirSync(path.dirname(target), { recursive: true });
  const fresh = `${target}.${process.pid}`;
  const headers = [(require('node-api-headers') as { include_dir: string }).include_dir, shared];
  const line = [...flags, ...headers.flatMap((folder) => ['-I', folder])];
  execFileSync('cc', [...line, path.join(ROOT, 'native', 'test', source), '-o', fresh]);
  renameSync(fresh, target);
  return target;
}

function timesOf(folder: string): readonly number[] {
  return readdirSync(folder)
    .filter((name) => /\.[ch]$/.test(name))
    .map((name) => statSync(path.join(folder, name)).mtimeMs);
}
