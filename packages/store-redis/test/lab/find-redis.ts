/** Debian's Redis, unpacked aside with the libraries that it lacks: installing it would enable a service. */
import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Redis {
  readonly server: string;
  /** LD_LIBRARY_PATH where it was unpacked aside. */
  readonly env: Readonly<Record<string, string>>;
}

/** Why there is no Redis to test with. */
export interface NoRedis {
  readonly missing: string;
}

let found: Promise<Redis | NoRedis> | undefined;

/** The redis-server of PATH, else of the cache, else downloaded into the cache. */
export function findRedis(): Promise<Redis | NoRedis> {
  found ??= locate().catch((error: Error) => ({ missing: `no redis-server: ${error.message.split('\n')[0]}` }));
  return found;
}

async function locate(): Promise<Redis> {
  const installed = await run('sh', ['-c', 'command -v redis-server']).catch(() => undefined);
  if (installed) return { server: installed.stdout.trim(), env: {} };
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'stunmesh-lab');
  const folder = join(cache, 'redis');
  const server = join(folder, 'usr/bin/redis-server');
  if (!(await exists(server))) await unpack(cache, folder);
  const env = { LD_LIBRARY_PATH: await libraryPath(folder) };
  const { stdout } = await run('ldd', [server], { env: { ...process.env, ...env } });
  if (stdout.includes('not found'))
    throw new Error(`${folder} lacks libraries; remove it, so that it is unpacked again`);
  return { server, env };
}

async function unpack(cache: string, folder: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'unpack-'));
  try {
    const download = (packages: readonly string[]) =>
      run('apt-get', ['download', ...packages], { cwd: work, timeout: 120_000 });
    const wanted = ['redis-server', 'redis-tools'];
    await download(wanted).catch(async () => {
      await run('apt-get', ['update'], { timeout: 120_000 });
      await download(wanted);
    });
    const libraries = await missingLibraries();
    if (libraries.length > 0) await download(libraries);
    const aside = join(work, 'root');
    for (const file of await readdir(work)) {
      if (file.endsWith('.deb')) await run('dpkg', ['-x', join(work, file), aside]);
    }
    // Whoever unpacked it meanwhile did the same.
    await rename(aside, folder).catch(async (error: unknown) => {
      if (!(await exists(join(folder, 'usr/bin/redis-server')))) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Library packages of the dependency closure that are not installed here. */
async function missingLibraries(): Promise<readonly string[]> {
  const without = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map(
    (kind) => `--no-${kind}`,
  );
  const { stdout } = await run('apt-cache', ['depends', '--recurse', ...without, 'redis-tools']);
  const names = [...new Set(stdout.match(/(?<=Depends: |^)lib[a-z0-9+.-]+/gm))];
  const listed = await run('dpkg-query', ['-l', ...names]).catch((error: { stdout?: string }) => error);
  const installed = new Set((listed.stdout ?? '').match(/(?<=^ii +)[a-z0-9+.-]+/gm));
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
