/** Debian's coturn, unpacked aside with the libraries that it lacks: installing it would enable a service. */
import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { must, run } from './processes.js';

export interface Coturn {
  readonly program: string;
  /** LD_LIBRARY_PATH where it was unpacked aside. */
  readonly env: Readonly<Record<string, string>>;
}

let found: Promise<Coturn> | undefined;

/** The turnserver of PATH, else of the cache, else downloaded into the cache. Errors: no apt, no network, another system. */
export function findCoturn(): Promise<Coturn> {
  found ??= locate().catch((error: unknown) => {
    found = undefined;
    throw error;
  });
  return found;
}

async function locate(): Promise<Coturn> {
  const installed = await run(undefined, ['sh', '-c', 'command -v turnserver']);
  if (installed.code === 0) return { program: installed.stdout.trim(), env: {} };
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'stunmesh-lab');
  const folder = join(cache, 'coturn');
  if (!(await exists(join(folder, 'usr/bin/turnserver')))) await unpack(cache, folder);
  const program = join(folder, 'usr/bin/turnserver');
  const env = { LD_LIBRARY_PATH: await libraryPath(folder) };
  const missing = await run(undefined, ['ldd', program], { env });
  if (missing.stdout.includes('not found')) {
    throw new Error(`coturn in ${folder} lacks libraries; remove that folder, so that it is unpacked again`);
  }
  return { program, env };
}

async function unpack(cache: string, folder: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'unpack-'));
  try {
    const download = (packages: readonly string[]) =>
      run(undefined, ['apt-get', 'download', ...packages], { cwd: work, timeoutMs: 120_000 });
    let result = await download(['coturn']);
    if (result.code !== 0) {
      await must(undefined, ['apt-get', 'update'], { timeoutMs: 120_000 });
      result = await download(['coturn']);
    }
    if (result.code !== 0) throw new Error(`apt-get download coturn: ${result.stderr.trim()}`);
    const libraries = await missingLibraries();
    if (libraries.length > 0) {
      result = await download(libraries);
      if (result.code !== 0) throw new Error(`apt-get download ${libraries.join(' ')}: ${result.stderr.trim()}`);
    }
    const aside = join(work, 'root');
    for (const file of await readdir(work)) {
      if (file.endsWith('.deb')) await must(undefined, ['dpkg', '-x', join(work, file), aside]);
    }
    // Whoever unpacked it meanwhile did the same.
    await rename(aside, folder).catch(async (error: unknown) => {
      if (!(await exists(join(folder, 'usr/bin/turnserver')))) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Library packages of coturn's dependency closure that are not installed here. */
async function missingLibraries(): Promise<readonly string[]> {
  const options = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map(
    (kind) => `--no-${kind}`,
  );
  const depends = async (names: readonly string[], recurse: readonly string[]): Promise<string[]> => {
    const text = await must(undefined, ['apt-cache', 'depends', ...recurse, ...options, ...names]);
    return [...new Set(text.match(/(?<=Depends: |^)lib[a-z0-9+.-]+/gm))];
  };
  const names = await depends(await depends(['coturn'], []), ['--recurse']);
  const listed = await run(undefined, ['dpkg-query', '-l', ...names]);
  const installed = new Set(listed.stdout.match(/(?<=^ii +)[a-z0-9+.-]+/gm));
  return names.filter((name) => !installed.has(name));
}

async function libraryPath(folder: string): Promise<string> {
  const base = join(folder, 'usr/lib');
  const architectures = (await readdir(base).catch(() => [])).filter((name) => name.includes('-linux-'));
  return [...architectures.map((name) => join(base, name)), base].join(':');
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
