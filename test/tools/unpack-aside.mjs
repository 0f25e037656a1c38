/** Programs of Debian packages that enable a service when they are installed: found, or unpacked aside with the libraries that they lack. */
import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const LONG_MS = 120_000;

/** @type {Map<string, Promise<{ program: string, env: Record<string, string> }>>} */
const found = new Map();

/**
 * The program of PATH (and the sbin folders), else of the cache, else downloaded into the cache.
 * Rejects without apt, without a network, on another system.
 * @param {{ name: string, program: string, packages: readonly string[] }} wanted `program`: its path in the package,
 *   "usr/bin/redis-server"; `name`: the folder in the cache.
 * @returns {Promise<{ program: string, env: Record<string, string> }>} with LD_LIBRARY_PATH where it was unpacked aside
 */
export function findAside(wanted) {
  const known = found.get(wanted.name) ?? locate(wanted);
  found.set(wanted.name, known);
  known.catch(() => found.delete(wanted.name));
  return known;
}

/** @param {Parameters<typeof findAside>[0]} wanted */
async function locate({ name, program, packages }) {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
  for (const folder of folders) {
    const installed = join(folder, basename(program));
    if (await exists(installed)) return { program: installed, env: {} };
  }
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'stunmesh-lab');
  const folder = join(cache, name);
  const aside = join(folder, program);
  if (!(await exists(aside))) await unpack(cache, folder, program, packages);
  const env = { LD_LIBRARY_PATH: await libraryPath(folder) };
  const { stdout } = await run('ldd', [aside], { env: { ...process.env, ...env } });
  if (stdout.includes('not found'))
    throw new Error(`${folder} lacks libraries; remove it, so that it is unpacked again`);
  return { program: aside, env };
}

/** @param {string} cache @param {string} folder @param {string} program @param {readonly string[]} packages */
async function unpack(cache, folder, program, packages) {
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'unpack-'));
  try {
    /** @param {readonly string[]} names */
    const download = (names) => run('apt-get', ['download', ...names], { cwd: work, timeout: LONG_MS });
    await download(packages).catch(async () => {
      await run('apt-get', ['update'], { timeout: LONG_MS });
      await download(packages);
    });
    const libraries = await missingLibraries(packages);
    if (libraries.length > 0) await download(libraries);
    const aside = join(work, 'root');
    for (const file of await readdir(work))
      if (file.endsWith('.deb')) await run('dpkg', ['-x', join(work, file), aside]);
    // Whoever unpacked it meanwhile did the same.
    await rename(aside, folder).catch(async (error) => {
      if (!(await exists(join(folder, program)))) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Library packages of the dependency closure that are not installed here. @param {readonly string[]} packages */
async function missingLibraries(packages) {
  const without = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map(
    (kind) => `--no-${kind}`,
  );
  /** @param {readonly string[]} names @param {readonly string[]} recurse */
  const depends = async (names, recurse) => {
    const { stdout } = await run('apt-cache', ['depends', ...recurse, ...without, ...names]);
    return [...new Set(stdout.match(/(?<=Depends: |^)lib[a-z0-9+.-]+/gm))];
  };
  const direct = await depends(packages, []);
  const names = direct.length === 0 ? [] : await depends(direct, ['--recurse']);
  if (names.length === 0) return [];
  const listed = await run('dpkg-query', ['-l', ...names]).catch((/** @type {{ stdout?: string }} */ error) => error);
  const installed = new Set((listed.stdout ?? '').match(/(?<=^ii +)[a-z0-9+.-]+/gm));
  return names.filter((name) => !installed.has(name));
}

/** @param {string} folder */
async function libraryPath(folder) {
  const base = join(folder, 'usr/lib');
  const architectures = (await readdir(base).catch(() => [])).filter((name) => name.includes('-linux-'));
  return [...architectures.map((name) => join(base, name)), base].join(':');
}

/** @param {string} path */
function exists(path) {
  return access(path).then(
    () => true,
    () => false,
  );
}
