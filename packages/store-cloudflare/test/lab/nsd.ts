/** Debian's NSD: the one of PATH, else of the cache, else downloaded into the cache with the libraries that it lacks. */
import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Nsd {
  readonly program: string;
  /** With LD_LIBRARY_PATH where it was unpacked aside. */
  readonly env: Readonly<Record<string, string>>;
}

let found: Promise<Nsd> | undefined;

/** Errors: no apt, no network, another system. */
export function findNsd(): Promise<Nsd> {
  found ??= locate();
  return found;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function locate(): Promise<Nsd> {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
  for (const folder of folders) if (await exists(join(folder, 'nsd'))) return { program: join(folder, 'nsd'), env: {} };
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'stunmesh-lab');
  const folder = join(cache, 'nsd');
  const program = join(folder, 'usr/sbin/nsd');
  if (!(await exists(program))) await unpack(cache, folder);
  const libraries = join(folder, 'usr/lib');
  const triplets = (await readdir(libraries).catch(() => [])).map((name) => join(libraries, name));
  return { program, env: { LD_LIBRARY_PATH: triplets.join(':') } };
}

async function unpack(cache: string, folder: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'unpack-'));
  try {
    await download(work, ['nsd']).catch(async () => {
      await run('apt-get', ['update'], { timeout: 120_000 });
      await download(work, ['nsd']);
    });
    const { stdout } = await run('apt-cache', ['depends', 'nsd']);
    const libraries = [...stdout.matchAll(/Depends: (lib\S+)/g)].map((match) => match[1] ?? '');
    const missing: string[] = [];
    for (const name of libraries) if (!(await installed(name))) missing.push(name);
    if (missing.length > 0) await download(work, missing);
    const aside = join(work, 'root');
    for (const file of await readdir(work))
      if (file.endsWith('.deb')) await run('dpkg', ['-x', join(work, file), aside]);
    // Whoever unpacked it meanwhile did the same.
    await rename(aside, folder).catch(async (error: unknown) => {
      if (!(await exists(join(folder, 'usr/sbin/nsd')))) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function download(folder: string, packages: readonly string[]): Promise<void> {
  await run('apt-get', ['download', ...packages], { cwd: folder, timeout: 120_000 });
}

async function installed(name: string): Promise<boolean> {
  return run('dpkg-query', ['-s', name]).then(
    ({ stdout }) => /^Status: .* installed$/m.test(stdout),
    () => false,
  );
}
